"""One ranking of photos from different exits, read by their T-GEMs; evaluations see the same one."""

import numpy as np
import pytest

from engine.querying import Index
from engine.ranking import lifted, lifted_query, ranked, read, scores_of
from engine.store import Candidate
from tests import tiny
from tests.test_evaluation import MANY, features_of


@pytest.fixture(scope="module")
def index() -> Index:
    encoder = tiny.encoder()
    gate = encoder.modules.query_gates[0]
    gate.out.bias.data[:] = 0.3  # T-GEMs that have something to say
    gate.out.weight.data.normal_(0, 0.1)
    return Index(encoder, features_of(encoder), np.arange(MANY) % encoder.exits)


def candidates(index: Index) -> list[Candidate]:
    return [
        Candidate(n, "0" * 64, exit + 1, vector.astype(np.float32).tobytes(), None)
        for n, (exit, vector) in enumerate(zip(index.exits.tolist(), index.indexed, strict=True))
    ]


def test_an_index_finds_by_calibrated_scores_and_their_doubt(index: Index) -> None:
    encoder, query = index.encoder, index.texts[0]
    vectors, exits = index.indexed, index.exits + 1
    found = lifted(vectors, exits, encoder) @ lifted_query(query)
    told = read(encoder, query, vectors, exits)
    assert found == pytest.approx(scores_of(encoder, told), abs=1e-5)
    shallow = exits < encoder.exits
    assert (scores_of(encoder, told)[shallow] > told.expected[shallow]).all()
    assert scores_of(encoder, told)[~shallow] == pytest.approx(told.expected[~shallow])


def test_an_evaluation_ranks_as_a_search_does(index: Index) -> None:
    nothing = np.empty(0, np.int64)
    for number in range(5):
        ranking = ranked(index.encoder, index.texts[number], nothing, nothing, candidates(index))
        assert ranking.scores == pytest.approx(index.first[number][ranking.ids], abs=1e-5)
        assert ranking.scores == sorted(ranking.scores, reverse=True)
        assert not np.allclose(np.array(ranking.scores), index.scores[number][ranking.ids], atol=1e-3)
        assert ranking.macs == index.encoder.foresee_macs(MANY)


def test_reading_photos_at_full_depth_costs_nothing(index: Index) -> None:
    deep = [c for c in candidates(index) if c.exit == index.encoder.exits]
    ranking = ranked(index.encoder, index.texts[0], np.empty(0, np.int64), np.empty(0, np.int64), deep)
    assert ranking.macs == 0
    assert (ranking.reading.deviations == 0).all()
