"""One ranking of photos from different exits, read by their T-GEMs; evaluations see the same one."""

import numpy as np
import pytest
import torch

from engine.evaluation.query_simulation import Index
from engine.exits.calibration import Reading
from engine.search.allocation import READ
from engine.search.ranking import lifted, lifted_query, ranked, read, scores_of, similarities
from engine.storage.encodings import Candidate
from tests import tiny
from tests.evaluation.test_evaluate import MANY, features_of

NOTHING = np.empty(0, np.int64)


@pytest.fixture
def index() -> Index:
    encoder = tiny.encoder()
    torch.manual_seed(3)
    for gate in encoder.modules.query_gates:  # T-GEMs that have something to say
        torch.nn.init.normal_(gate.out.weight, std=0.1)
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
    for number in range(5):
        ranking = ranked(index.encoder, index.texts[number], NOTHING, NOTHING, candidates(index))
        assert ranking.scores == pytest.approx(index.first[number][ranking.ids], abs=1e-5)
        assert ranking.scores == sorted(ranking.scores, reverse=True)
        assert not np.allclose(np.array(ranking.scores), index.scores[number][ranking.ids], atol=1e-3)


def test_what_has_been_described_is_not_described_again(index: Index) -> None:
    encoder, photos = index.encoder, candidates(index)
    shallow = int((index.exits < encoder.exits - 1).sum())
    first, again, other = (ranked(encoder, index.texts[number], NOTHING, NOTHING, photos).macs for number in (0, 0, 1))
    assert first == encoder.foresee_macs(shallow)
    assert again == shallow * encoder.reading_macs
    assert again < other < first  # another query is described, and no photo


def test_reading_photos_at_full_depth_costs_nothing(index: Index) -> None:
    deep = [c for c in candidates(index) if c.exit == index.encoder.exits]
    ranking = ranked(index.encoder, index.texts[0], NOTHING, NOTHING, deep)
    assert ranking.macs == 0
    assert (ranking.reading.deviations == 0).all()


def test_no_more_are_read_than_gates_were_fitted_on(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    many = [Candidate(place, c.content_hash, 1, c.vector, c.map) for place, c in enumerate(candidates(index) * 3)]
    read_at_once = []
    foresee = type(index.encoder).foresee

    def counted(self: object, query: np.ndarray, vectors: np.ndarray, *rest: np.ndarray) -> tuple[Reading, int]:
        read_at_once.append(len(vectors))
        return foresee(self, query, vectors, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(type(index.encoder), "foresee", counted)
    ranking = ranked(index.encoder, index.texts[0], NOTHING, NOTHING, many)
    assert read_at_once == [READ]
    assert len(ranking.ids) == len(many) == 3 * MANY
    assert ranking.scores == sorted(ranking.scores, reverse=True)


def test_photos_beyond_the_candidates_take_their_place_by_score(index: Index) -> None:
    some = candidates(index)[:3]
    told = ranked(index.encoder, index.texts[0], NOTHING, NOTHING, some).scores
    ids, scores = np.array([0, 1, 2, 100, 101]), np.array([0, 0, 0, max(told) + 0.1, min(told) - 0.1])
    ranking = ranked(index.encoder, index.texts[0], ids, scores, some)
    assert (ranking.ids[0], ranking.ids[-1]) == (100, 101)
    assert ranking.scores == sorted(ranking.scores, reverse=True)
    assert [c.image_id for c in ranking.candidates] == ranking.ids[1:4]


def test_a_similarity_is_what_is_expected_without_the_doubt(index: Index) -> None:
    encoder, photos = index.encoder, candidates(index)[:4]
    ids, scores = np.arange(5), np.full(5, 0.5)
    ranking = ranked(encoder, index.texts[0], ids, scores, photos)
    found = similarities(encoder, ranking, {0: photos[0].exit, 4: 1})
    place = [c.image_id for c in ranking.candidates].index(0)
    lift = encoder.logit_scale / 2 * min(encoder.calibrations[0].deviation, 1.5 / encoder.logit_scale) ** 2
    assert found == pytest.approx({0: ranking.reading.expected[place], 4: 0.5 - lift})
