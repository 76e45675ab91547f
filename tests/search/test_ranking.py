"""One ranking of photos from different exits, for words and for pictures."""

import numpy as np
import pytest

from engine.exits.calibration import EXACT, Calibration
from engine.exits.scorer import CandidateScorer
from engine.search.query_parser import Query
from engine.search.ranking import Ranking, lifted, lifted_query, ranked
from engine.storage.encodings import Candidate
from tests.fake_encoder import FakeEncoder

MANY, EXITS, DIM = 60, 3, 8


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> FakeEncoder:
    """Of exits whose scores differ; hubs are held back."""
    table = (Calibration(0.8, 0.05, 0.06), Calibration(1.1, -0.02, 0.03), EXACT)
    monkeypatch.setattr(FakeEncoder, "scorer", CandidateScorer(table, 0.4, FakeEncoder.logit_scale))
    return FakeEncoder()


def unit(many: int, seed: int) -> np.ndarray:
    found = np.random.default_rng(seed).standard_normal((many, DIM)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


QUERY = Query(unit(1, seed=5)[0])
VECTORS, PHOTOS_EXITS = unit(MANY, seed=1), np.arange(MANY) % EXITS + 1
AFFINITY = np.random.default_rng(2).uniform(0.1, 0.5, MANY)


def candidates() -> list[Candidate]:
    photos = zip(PHOTOS_EXITS.tolist(), VECTORS, AFFINITY.tolist(), strict=True)
    return [Candidate(n, "0" * 64, exit, v.tobytes(), fits, None) for n, (exit, v, fits) in enumerate(photos)]


def rank(encoder: FakeEncoder, query: Query = QUERY) -> Ranking:
    return ranked(encoder, query, candidates(), MANY)


def test_an_index_finds_by_scores_doubt_and_affinity(encoder: FakeEncoder) -> None:
    found = lifted(VECTORS, PHOTOS_EXITS, AFFINITY, encoder) @ lifted_query(QUERY)
    estimate = encoder.scorer.estimate(VECTORS @ QUERY.vector, PHOTOS_EXITS - 1, AFFINITY)
    scores = encoder.scorer.rank_scores(estimate)
    assert found == pytest.approx(scores, abs=1e-6)
    shallow = PHOTOS_EXITS < EXITS
    assert (scores[shallow] > estimate.expected[shallow]).all()
    assert scores[~shallow] == pytest.approx(VECTORS[~shallow] @ QUERY.vector - 0.4 * AFFINITY[~shallow])


def test_candidates_score_as_the_index_has_them(encoder: FakeEncoder) -> None:
    for picture in (False, True):
        query = Query(QUERY.vector, picture)
        found = lifted(VECTORS, PHOTOS_EXITS, AFFINITY, encoder) @ lifted_query(query)
        ranking = rank(encoder, query)
        assert ranking.scores == pytest.approx(found[ranking.ids], abs=1e-6)
        assert ranking.scores == sorted(ranking.scores, reverse=True)


def test_a_picture_is_looked_for_whatever_texts_fit_photos(encoder: FakeEncoder) -> None:
    ranking = rank(encoder, Query(QUERY.vector, picture=True))
    expected = np.array([0.8, 1.1, 1.0])[PHOTOS_EXITS - 1] * (VECTORS @ QUERY.vector)
    assert ranking.estimate.expected == pytest.approx(expected[ranking.ids])
    assert ranking.ids != rank(encoder).ids


@pytest.mark.parametrize("number", range(EXITS))
def test_the_very_picture_comes_first_at_whatever_exit_it_stands(encoder: FakeEncoder, number: int) -> None:
    like = VECTORS[number] + 0.02 * unit(1, seed=9)[0]
    like /= np.linalg.norm(like)
    photos = [*candidates(), Candidate(MANY, "0" * 64, 2, like.astype(np.float32).tobytes(), 0.1, None)]
    query = Query(VECTORS[number], picture=True)
    ranking = ranked(encoder, query, photos, MANY + 1)
    assert ranking.ids[0] == number
    assert MANY in ranking.ids[:3]
    assert ranking.scores == sorted(ranking.scores, reverse=True)


def test_pictures_that_are_asked_with_are_known(encoder: FakeEncoder) -> None:
    beside_words = rank(encoder, Query(QUERY.vector, photos=frozenset({4, 7})))
    assert {id for id, own in zip(beside_words.ids, beside_words.own, strict=True) if own} == {4, 7}
    dropped = rank(encoder, Query(VECTORS[3], picture=True))
    assert [id for id, own in zip(dropped.ids, dropped.own, strict=True) if own] == [3]
    assert not any(rank(encoder).own)


def test_photos_at_full_depth_are_in_no_doubt(encoder: FakeEncoder) -> None:
    deep = [c for c in candidates() if c.exit == EXITS]
    ranking = ranked(encoder, QUERY, deep, MANY)
    assert (ranking.estimate.deviations == 0).all()
    assert ranking.scores == ranking.estimate.expected.tolist()
