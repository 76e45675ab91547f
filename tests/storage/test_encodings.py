"""What becomes of encodings: an index follows it, and no image costs more than full depth."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sqlalchemy import update

from engine.storage import encodings
from engine.storage.collections import get_collection, open_collection
from engine.storage.database import Database
from engine.storage.encodings import (
    images_at_other_budgets,
    images_without_encoding,
    keep_deeper,
    keep_for_budget,
    list_candidates,
    list_changes,
    list_standings,
)
from engine.storage.images import get_image
from engine.storage.schema import EncodingRow, ModelChanged
from tests.storage.rows import STAMP, add, image, reached

pytestmark = pytest.mark.both_databases


def test_changes_follow_on_from_a_revision(database: Database, gallery: int) -> None:
    other = open_collection(database, "other", "gallery", None)
    first = add(database, gallery, "aa")
    add(database, other, "bb")
    last = add(database, gallery, "cc", "dd")
    found = list_changes(database, gallery, after=0, limit=2)
    assert found.ids.tolist() == [first[0].id, last[0].id]
    assert (found.exits.tolist(), found.vectors.tolist()) == ([1, 1], [[1.0, 0.0]] * 2)
    rest = list_changes(database, gallery, after=int(found.revisions[-1]), limit=9)
    assert rest.ids.tolist() == [last[1].id]
    nothing = list_changes(database, gallery, after=int(rest.revisions[-1]), limit=9)
    assert (len(nothing.ids), nothing.vectors.shape) == (0, (0, 0))


def test_where_a_collection_stands_takes_little_more_memory_than_it_is(
    database: Database, gallery: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [row.id for row in add(database, gallery, *(f"a{n}" for n in range(100)))]
    vector = np.arange(10_000, dtype=np.float32)
    with database.write() as session:
        session.execute(update(EncodingRow).values(vector=vector.tobytes()))
    monkeypatch.setattr(encodings, "AT_ONCE", 1)
    tracemalloc.start()
    found = list_standings(database, gallery)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.7 * found.vectors.nbytes
    assert found.ids.tolist() == ids
    assert (found.exits.tolist(), found.mapped.tolist()) == ([1] * 100, [False] * 100)
    np.testing.assert_array_equal(found.vectors, np.tile(vector, (100, 1)))
    found.exits[0] = found.macs[0] = found.vectors[0, 0] = 2  # all may be written to
    empty = list_standings(database, open_collection(database, "empty", "gallery", None))
    assert (len(empty.ids), empty.names, empty.vectors.shape) == (0, (), (0, 0))


def described(database: Database, image_id: int) -> tuple[int, list[float], list[str]]:
    row = get_image(database, image_id).encoding
    gates = np.frombuffer(row.gates, np.float32).reshape(-1, 4)
    return row.exit, gates[:, 0].tolist(), [at_exit[0][0] for at_exit in row.phrases]


def start(database: Database, gallery: int) -> int:
    """An image at exit 1, for 30 of 100 MACs."""
    row = image("aa")
    row.encoding.gates = np.zeros((1, 4), np.float32).tobytes()
    return add(database, gallery, row)[0].id


def test_gates_and_phrases_of_the_missing_passes_are_added(database: Database, gallery: int) -> None:
    one = start(database, gallery)
    keep_deeper(database, gallery, STAMP, {one: reached(2, 1, 30)})
    assert described(database, one) == (2, [0, 2], ["a dog", "exit 2"])
    keep_deeper(database, gallery, STAMP, {one: reached(3, 2, 40)})
    assert described(database, one) == (3, [0, 2], ["a dog", "exit 2", "exit 3"])
    assert list_candidates(database, [one])[0].affinity == pytest.approx(0.3)
    assert list_changes(database, gallery, 0, 9).affinity == pytest.approx([0.3])
    row = get_image(database, one).encoding
    assert (row.macs_index, row.macs_query, get_collection(database, gallery).macs_queries) == (30, 70, 70)


def test_a_run_from_the_start_describes_all_exits_anew(database: Database, gallery: int) -> None:
    one = start(database, gallery)
    keep_deeper(database, gallery, STAMP, {one: reached(3, 0, 100)})
    assert described(database, one) == (3, [1, 2], ["exit 1", "exit 2", "exit 3"])


def test_an_image_never_costs_more_than_full_depth(database: Database, gallery: int) -> None:
    one = start(database, gallery)
    keep_deeper(database, gallery, STAMP, {one: reached(3, 0, 100)})
    row = get_image(database, one).encoding
    assert (row.macs_index, row.macs_query) == (30, 70)
    assert get_collection(database, gallery).macs_queries == 100, "the search pays for what was run twice"


def test_a_way_that_another_query_has_gone_meanwhile_is_described_once(database: Database, gallery: int) -> None:
    one = start(database, gallery)
    keep_deeper(database, gallery, STAMP, {one: reached(2, 1, 30)})
    keep_deeper(database, gallery, STAMP, {one: reached(3, 1, 70)})
    keep_deeper(database, gallery, STAMP, {one: reached(2, 1, 30)})
    assert described(database, one) == (3, [0, 2], ["a dog", "exit 2", "exit 3"])


def test_a_way_on_from_an_encoding_that_was_replaced_by_a_shallower_one_is_left(
    database: Database, gallery: int
) -> None:
    one = start(database, gallery)
    keep_deeper(database, gallery, STAMP, {one: reached(3, 2, 40)})
    assert described(database, one) == (1, [0], ["a dog"])


def test_another_budget_adds_to_what_indexing_took(database: Database, gallery: int) -> None:
    one, (two,) = start(database, gallery), add(database, gallery, "bb")
    assert [found[:2] for found in images_at_other_budgets(database, gallery, STAMP, 0.9)] == [(one, 1), (two.id, 1)]
    before = int(list_changes(database, gallery, 0, 9).revisions.max())
    keep_for_budget(database, gallery, STAMP, 0.9, [one, two.id], {one: reached(2, 1, 30)})
    assert images_at_other_budgets(database, gallery, STAMP, 0.9) == []
    assert images_without_encoding(database, gallery) == []
    rows = [get_image(database, image_id).encoding for image_id in (one, two.id)]
    assert [(row.exit, row.budget, row.macs_index, row.macs_query) for row in rows] == [
        (2, 0.9, 60, 0),
        (1, 0.9, 30, 0),
    ]
    assert get_collection(database, gallery).budget == 0.9
    assert list_changes(database, gallery, before, 9).ids.tolist() == [one], "the other vector stays what it is"


def test_what_cannot_be_kept_leaves_no_map_behind(database: Database, gallery: int, home: Path) -> None:
    one = start(database, gallery)
    deeper = {one: reached(2, 1, 30, kept=torch.zeros(2))}
    with pytest.raises(ModelChanged):
        keep_deeper(database, gallery, replace(STAMP, weights_hash="c" * 64), deeper)
    assert not [path for path in (home / "maps").rglob("*") if path.is_file()]
    keep_deeper(database, gallery, STAMP, deeper)
    assert [path for path in (home / "maps").rglob("*") if path.is_file()]
