"""Who is looked at again, worked out by hand: scores in eighths, so that every distance is a whole number of them."""

import numpy as np
import pytest

from engine import deepening
from engine.deepening import EXACT, Looks, Reading, calibrations, deepen, edge, mended, pool_size

SPREADS = np.array([1 / 8, 1 / 16, 0.0])  # of the scores at three exits
COSTS = np.array([[np.inf, 0.5, 1.0], [np.inf, np.inf, 1.0], [np.inf] * 3])  # from one exit to another


def eighths(*numbers: float) -> np.ndarray:
    return np.array([numbers], np.float64) / 8


def gains(expected: np.ndarray, deviations: np.ndarray, k: int) -> np.ndarray:
    everything = np.arange(3), np.zeros(expected.shape)
    return mended(expected, deviations, np.zeros(expected.shape, int), SPREADS, k, *everything)[0]


def test_the_edge_is_the_best_score_of_the_others_that_counts() -> None:
    edges, doubts = edge(eighths(5, 4, 3), eighths(1, 2, 3), 2)
    assert (edges * 8).tolist() == [[3, 3, 4]]  # the first two leave the page below the third, which joins above 4
    assert (doubts * 8).tolist() == [[3, 3, 2]]


def test_on_a_page_with_room_for_all_nothing_is_at_the_edge() -> None:
    assert edge(eighths(5, 4), eighths(1, 1), 3)[0].tolist() == [[-np.inf, -np.inf]]


def test_a_candidate_at_full_depth_has_nothing_to_mend() -> None:
    found = gains(eighths(10, 5, 4, 1), eighths(1, 0, 1, 1), 2)
    assert found[1].tolist() == [0, 0, 0]
    assert found[2, 2] > 0


def test_a_look_at_an_exit_that_was_passed_mends_nothing() -> None:
    exits = np.array([[1, 1, 1]])
    found = mended(eighths(5, 4, 3), np.full((1, 3), 1 / 16), exits, SPREADS, 2, np.arange(3), np.zeros((1, 3)))[0]
    assert (found[:, :2] == 0).all()
    assert (found[:, 2] > 0).all()


def test_full_depth_tells_more_than_half_the_way_and_the_edge_more_than_far_from_it() -> None:
    found = gains(eighths(20, 10, 5, 4, -9), eighths(0, 1, 1, 1, 1), 3)
    assert found[2, 2] > found[2, 1] > 0
    assert found[2, 2] > found[1, 2]
    assert found[2, 2] > found[4, 2]


def test_level_scores_are_wrong_every_other_time() -> None:
    # Two candidates for one place, each known but for one deviation: after a look at one, the other's doubt remains.
    found = gains(eighths(4, 4), eighths(1, 0), 1)
    assert found[0, 2] == pytest.approx((1 + deepening.FIRST) / 2, abs=0.01)


class Truth:
    """Reads candidates as they truly are, and remembers in which rounds they were asked for."""

    def __init__(self, scores: np.ndarray) -> None:
        self.scores = scores
        self.rounds: list[list[int]] = []

    def __call__(self, queries: np.ndarray, places: np.ndarray, exit: int) -> Reading:
        self.rounds.append(places.tolist())
        return Reading(self.scores[queries, places], np.full(len(places), SPREADS[exit]))


def looks_of(scores: np.ndarray, truth: Truth, k: int, limit: float = 100, worth: float = 0.02) -> Looks:
    exits = np.zeros(scores.shape, int)
    reading = Reading(scores, np.full(scores.shape, SPREADS[0]))
    return deepen(reading, exits, COSTS[exits], COSTS, SPREADS, k, limit, truth, worth)


def test_settled_rankings_cost_nothing() -> None:
    truth = Truth(eighths(40, 20, 0))
    assert not len(looks_of(eighths(40, 20, 0), truth, 1).places)
    assert truth.rounds == []


def test_looks_are_few_where_a_look_must_be_worth_much() -> None:
    scores = np.linspace(1, 0, 30)[None]
    many, few = (len(looks_of(scores, Truth(scores), 10, worth=worth).places) for worth in (0.05, 0.3))
    assert few < many


def test_what_looks_cost_stays_within_the_limit() -> None:
    level = np.zeros((2, 30))
    found = looks_of(level, Truth(level), 10, limit=5)
    for query in (0, 1):
        assert 4 <= found.costs[found.queries == query].sum() <= 5


def test_costs_are_those_of_the_ways_taken() -> None:
    found = looks_of(eighths(5, 4.5, 4, 3.5), Truth(eighths(3, 4, 5, 6)), 2)
    stands: dict[int, int] = {}
    for place, exit, cost in zip(found.places.tolist(), found.exits.tolist(), found.costs.tolist(), strict=True):
        assert cost == COSTS[stands.get(place, 0), exit]
        stands[place] = exit


def test_queries_go_for_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deepening, "ROUND", 2)
    first, second = eighths(5, 4.5, 4, 3), eighths(40, 20, 19.5, 0)
    alone = [looks_of(scores, Truth(scores), 2) for scores in (first, second)]
    both = looks_of(np.vstack([first, second]), Truth(np.vstack([first, second])), 2)
    for query, found in enumerate(alone):
        mine = both.queries == query
        assert sorted(zip(both.places[mine].tolist(), both.exits[mine].tolist(), strict=True)) == sorted(
            zip(found.places.tolist(), found.exits.tolist(), strict=True)
        )


def test_what_was_given_is_left_as_it_was() -> None:
    scores = eighths(5, 4, 3)
    looks_of(scores, Truth(eighths(9, 9, 9)), 1)
    assert scores.tolist() == eighths(5, 4, 3).tolist()


def test_doubt_finds_the_page_for_fewer_looks_than_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deepening, "FIRST", 0.0)
    draw = np.random.default_rng(0)
    expected = -np.sort(-draw.normal(0, 1, (200, 60)) / 2, axis=1)
    truth = expected + draw.normal(0, SPREADS[0], expected.shape)
    exits, straight = np.ones(expected.shape, int), np.where(COSTS == 0.5, np.inf, COSTS)
    reading = Reading(expected, np.full(expected.shape, SPREADS[0]))
    found = deepen(reading, exits, straight[exits], straight, SPREADS[[0, 0, 2]], 10, 100, Truth(truth), worth=0.15)
    known, ranked = expected.copy(), expected.copy()
    known[found.queries, found.places] = truth[found.queries, found.places]
    ranked[:, :11] = truth[:, :11]

    def right(scores: np.ndarray) -> float:
        pages = [set(np.argsort(-s)[:10].tolist()) for s in scores]
        return float(np.mean([len(p & set(np.argsort(-t)[:10].tolist())) for p, t in zip(pages, truth, strict=True)]))

    assert found.costs.sum() / 200 < 8
    assert right(known) > right(ranked)


@pytest.mark.parametrize(("photos", "k", "size"), [(10, 20, 120), (1_000, 10, 62), (10_000, 20, 200)])
def test_more_candidates_stand_for_a_larger_gallery(photos: int, k: int, size: int) -> None:
    assert pool_size(photos, k) == size


def test_only_the_last_exit_is_exact() -> None:
    table = calibrations(3)
    assert [(c.slope, c.offset, c.deviation) for c in table] == [(1, 0, 0.06), (1, 0, 0.06), (1, 0, 0)]
    assert calibrations(1) == (EXACT,)


def test_candidates_on_which_less_hangs_than_a_look_is_worth_are_passed_over() -> None:
    expected, deviations, exits = eighths(6, 5, 4, 1), np.full((1, 4), 1 / 16), np.zeros((1, 4), int)
    every = mended(expected, deviations, exits, SPREADS, 2, np.arange(3), np.zeros((1, 4)))
    some = mended(expected, deviations, exits, SPREADS, 2, np.arange(3), np.full((1, 4), 0.3))
    assert ((some == 0) | (some == every)).all()
    assert (every[some == 0] < 0.3).all()
    assert (some == 0).any()


def test_an_exit_that_another_one_beats_is_not_looked_at() -> None:
    spreads = np.array([1 / 8, 1 / 16, 3 / 32, 0.0])  # the third tells less than the second, for more
    costs = np.array([np.inf, 0.4, 0.6, 1.0])
    onward = np.full((4, 4), np.inf)
    looks = deepen(
        Reading(eighths(5, 5, 5, 4), np.full((1, 4), 1 / 8)),
        np.zeros((1, 4), int),
        np.broadcast_to(costs, (1, 4, 4)),
        onward,
        spreads,
        2,
        20.0,
        lambda queries, places, target: Reading(np.full(len(places), 0.5), np.full(len(places), spreads[target])),
        0.01,
    )
    assert len(looks.exits)
    assert 2 not in looks.exits
