"""One ranking of photos from different exits; production and evaluation score candidates alike."""

import numpy as np
import pytest
import torch

from engine.evaluation.query_simulation import IndexSimulation
from engine.exits.scorer import CORRECTED
from engine.search.ranking import lifted, lifted_query, ranked, similarities
from engine.storage.encodings import Candidate
from tests import tiny_models
from tests.evaluation.test_evaluate import MANY, features_of

NOTHING = np.empty(0, np.int64)


@pytest.fixture
def index() -> IndexSimulation:
    encoder = tiny_models.encoder()
    torch.manual_seed(3)
    for k in range(len(encoder.modules.query_gates)):  # T-GEMs that have something to say
        torch.nn.init.normal_(encoder.modules.get_parameter(f"query_gates.{k}.out.weight"), std=0.1)
    return IndexSimulation(encoder, features_of(encoder), np.arange(MANY) % encoder.exits)


def embeddings(index: IndexSimulation) -> np.ndarray:
    """(N, D) of the photos where they stand."""
    return index.features.vectors.numpy()[np.arange(MANY), index.exits]


def candidates(index: IndexSimulation) -> list[Candidate]:
    return [
        Candidate(n, "0" * 64, exit + 1, vector.astype(np.float32).tobytes(), None)
        for n, (exit, vector) in enumerate(zip(index.exits.tolist(), embeddings(index), strict=True))
    ]


def test_an_index_finds_by_calibrated_scores_and_their_doubt(index: IndexSimulation) -> None:
    encoder, query = index.encoder, index.texts[0]
    vectors, exits = embeddings(index), index.exits + 1
    found = lifted(vectors, exits, encoder) @ lifted_query(query)
    estimate = encoder.scorer.calibrated(vectors @ query, index.exits)
    scores = encoder.scorer.rank_scores(estimate)
    assert found == pytest.approx(scores, abs=1e-5)
    shallow = exits < encoder.exits
    assert (scores[shallow] > estimate.expected[shallow]).all()
    assert scores[~shallow] == pytest.approx(estimate.expected[~shallow])


def test_an_evaluation_ranks_as_a_search_does(index: IndexSimulation) -> None:
    for number in range(5):
        ranking = ranked(index.encoder, index.texts[number], NOTHING, NOTHING, candidates(index), MANY)
        assert ranking.scores == pytest.approx(index.first[number][ranking.ids], abs=1e-5)
        assert ranking.scores == sorted(ranking.scores, reverse=True)
        assert not np.allclose(np.array(ranking.scores), index.scores[number][ranking.ids], atol=1e-3)


def test_what_has_been_described_is_not_described_again(index: IndexSimulation) -> None:
    encoder, photos = index.encoder, candidates(index)
    shallow = int((index.exits < encoder.exits - 1).sum())
    first, again, other = (
        ranked(encoder, index.texts[number], NOTHING, NOTHING, photos, MANY).macs for number in (0, 0, 1)
    )
    assert first == encoder.scorer.macs(shallow + 1, shallow)
    assert again == encoder.scorer.macs(0, shallow)
    assert again < other < first  # another query is described, and no photo


def test_scoring_photos_at_full_depth_costs_nothing(index: IndexSimulation) -> None:
    deep = [c for c in candidates(index) if c.exit == index.encoder.exits]
    ranking = ranked(index.encoder, index.texts[0], NOTHING, NOTHING, deep, MANY)
    assert ranking.macs == 0
    assert (ranking.estimate.deviations == 0).all()


def test_no_more_are_corrected_than_gates_were_fitted_on(index: IndexSimulation) -> None:
    many = [Candidate(place, c.content_hash, 1, c.vector, c.map) for place, c in enumerate(candidates(index) * 3)]
    plain = index.encoder.scorer.calibrated(
        np.stack([np.frombuffer(c.vector, np.float32) for c in many]) @ index.texts[0], np.zeros(len(many), int)
    )
    ranking = ranked(index.encoder, index.texts[0], NOTHING, NOTHING, many, MANY)
    before = plain.expected[[c.image_id for c in ranking.candidates]]
    assert (np.abs(ranking.estimate.expected - before) > 1e-6).sum() == CORRECTED < len(many)
    assert len(ranking.ids) == len(many) == 3 * MANY
    assert ranking.scores == sorted(ranking.scores, reverse=True)


def test_photos_beyond_the_candidates_take_their_place_by_score(index: IndexSimulation) -> None:
    some = candidates(index)[:3]
    told = ranked(index.encoder, index.texts[0], NOTHING, NOTHING, some, MANY).scores
    ids, scores = np.array([0, 1, 2, 100, 101]), np.array([0, 0, 0, max(told) + 0.1, min(told) - 0.1])
    ranking = ranked(index.encoder, index.texts[0], ids, scores, some, MANY)
    assert (ranking.ids[0], ranking.ids[-1]) == (100, 101)
    assert ranking.scores == sorted(ranking.scores, reverse=True)
    assert [c.image_id for c in ranking.candidates] == ranking.ids[1:4]


def test_a_similarity_is_what_is_expected_without_the_doubt(index: IndexSimulation) -> None:
    encoder, photos = index.encoder, candidates(index)[:4]
    ids, scores = np.arange(5), np.full(5, 0.5)
    ranking = ranked(encoder, index.texts[0], ids, scores, photos, MANY)
    found = similarities(encoder, ranking, {0: photos[0].exit, 4: 1})
    place = [c.image_id for c in ranking.candidates].index(0)
    lift = encoder.logit_scale / 2 * min(encoder.calibrations[0].deviation, 1.5 / encoder.logit_scale) ** 2
    assert found == pytest.approx({0: ranking.estimate.expected[place], 4: 0.5 - lift})
