"""The bookkeeping of a batch, with no encoder."""

import numpy as np
import torch

from engine.exits.batch import BatchRun

MACS = (10, 25)
ALL = torch.tensor([True])


def test_rows_leave_with_what_is_theirs() -> None:
    batch = BatchRun(3)
    vectors, states = torch.eye(3), torch.arange(3.0)[:, None]
    batch.note(torch.tensor([[0.9, 0.1], [0.2, 0.1], [0.8, 0.1]]), [(("a", 0.5),), (("b", 0.5),), (("c", 0.5),)])
    batch.leave(torch.tensor([True, False, True]), 0, vectors, torch.tensor([0.1, 0.2, 0.3]), states)
    assert batch.rows == [1]
    batch.note(None, [(("d", 0.5),)])
    batch.leave(ALL, 1, vectors[:1] * 2, torch.tensor([0.4]), None)
    found = batch.encodings(MACS, 2, 0.5)
    assert [(e.exit, e.macs, round(e.affinity, 6)) for e in found] == [(1, 10, 0.1), (2, 25, 0.4), (1, 10, 0.3)]
    assert [e.nearest_texts for e in found] == [((("a", 0.5),),), ((("b", 0.5),), (("d", 0.5),)), ((("c", 0.5),),)]
    assert [e.vector.tolist() for e in found] == [[1, 0, 0], [2, 0, 0], [0, 0, 1]]
    assert [None if e.map is None else e.map.tolist() for e in found] == [[0], None, [2]]
    np.testing.assert_allclose([e.gates for e in found], [[[0.9, 0.1]], [[0.2, 0.1]], [[0.8, 0.1]]])


def test_time_is_shared_by_the_rows_that_are_in() -> None:
    batch = BatchRun(2)
    assert batch.timed(sum, [1, 2]) == 3
    batch.leave(torch.tensor([True, False]), 0, torch.eye(2), torch.zeros(2), None)
    batch.timed(sum, range(100_000))
    batch.leave(ALL, 1, torch.eye(2)[:1], torch.zeros(1), None)
    first, second = batch.encodings(MACS, 2, None)
    assert 0 < first.milliseconds < second.milliseconds
    assert first.gates.shape == (0, 2)


def test_a_vector_keeps_no_batch_in_memory() -> None:
    batch = BatchRun(2)
    batch.leave(ALL.repeat(2), 0, torch.eye(2), torch.zeros(2), None)
    assert all(e.vector.base is None for e in batch.encodings(MACS, 2, None))
