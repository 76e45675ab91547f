"""Who is looked at again, worked out by hand: scores in eighths, each of which makes a photo twice as likely."""

import math

import numpy as np
import pytest

from engine.exits.calibration import Estimate, certainty_equivalent
from engine.search import allocation
from engine.search.allocation import Goal, deepen, edge, gains, pool_size

SPREADS = np.array([1 / 8, 1 / 16, 0.0])  # of the scores at three exits
COSTS = np.array([[np.inf, 0.5, 1.0], [np.inf, np.inf, 1.0], [np.inf] * 3])  # from one exit to another
SHARPNESS = 8 * math.log(2)


def eighths(*numbers: float) -> np.ndarray:
    return np.array([numbers], np.float64) / 8


def gained(expected: np.ndarray, deviations: np.ndarray, k: int, exit: int = 0) -> np.ndarray:
    exits = np.full(expected.shape, exit)
    return gains(expected, deviations, exits, SPREADS, k, np.arange(3), SHARPNESS)[0]


def test_the_edge_is_the_best_score_of_the_others_that_counts() -> None:
    edges, inside = edge(eighths(5, 4, 3), 2)
    assert (edges * 8).tolist() == [[3, 3, 4]]  # the first two leave the page below the third, which joins above 4
    assert inside.tolist() == [[True, True, False]]


def test_on_a_page_with_room_for_all_nothing_is_at_the_edge() -> None:
    edges, inside = edge(eighths(5, 4), 3)
    assert edges.tolist() == [[-np.inf, -np.inf]]
    assert inside.all()


def test_a_look_at_a_candidate_at_full_depth_gains_nothing() -> None:
    found = gained(eighths(10, 5, 4, 1), eighths(1, 0, 1, 1), 2)
    assert found[1].tolist() == [0, 0, 0]
    assert found[2, 2] > 0


def test_a_look_at_an_exit_that_was_passed_gains_nothing() -> None:
    found = gained(eighths(5, 4, 3), np.full((1, 3), 1 / 16), 2, exit=1)
    assert (found[:, :2] == 0).all()
    assert (found[:, 2] > 0).all()


def test_full_depth_tells_more_than_half_the_way_and_the_edge_more_than_far_from_it() -> None:
    found = gained(eighths(20, 10, 5, 4, -9), eighths(0, 1, 1, 1, 1), 3)
    assert found[2, 2] > found[2, 1] > 0
    assert found[2, 2] > found[1, 2]
    assert found[2, 2] > found[4, 2]


def test_a_look_gains_what_changing_places_wins_in_the_mean() -> None:
    # One place and two candidates: one known at 3, one normal around 3, give or take 2, so at 2^3 and 2^4.386 of
    # likelihood. The look at it pays where it falls below 3: 0.5 * 2^3 - 2^4.386 * P(Z < -2 log 2), of 2^3 + 2^4.386.
    found = gained(eighths(3, 3), eighths(2, 0), 1)[0, 2]
    likely = 2 ** (3 + 4 * math.log(2) / 2)
    below = 0.5 * (1 + math.erf(-2 * math.log(2) / math.sqrt(2)))
    assert found == pytest.approx((1 + allocation.FIRST) * (0.5 * 8 - likely * below) / (8 + likely))


@pytest.mark.parametrize("place", [0, 2, 3, 6])
def test_gains_are_what_looking_at_many_draws_wins(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocation, "FIRST", 0.0)
    expected, deviations = eighths(6, 5, 4.5, 4, 3.8, 3, 2), eighths(1, 1.5, 0.5, 2, 0, 1, 2)
    likely = 2 ** (8 * certainty_equivalent(expected, deviations, SHARPNESS)[0])
    draws = 2 ** np.random.default_rng(0).normal(8 * expected[0, place], 8 * deviations[0, place], 400_000)
    others = np.sort(np.delete(likely, place))[::-1]
    best_three = others[:2].sum() + np.maximum(draws, others[2])
    left = np.sort(likely)[::-1][:3].sum()
    found = gained(expected, deviations, 3)[place, 2]
    assert found == pytest.approx((best_three.mean() - left) / likely.sum(), abs=5e-4)


class Truth:
    """Reads candidates as they truly are, and remembers which looks were taken."""

    def __init__(self, scores: np.ndarray) -> None:
        self.scores = scores
        self.looks: list[tuple[int, int, int]] = []  # query, place and exit of each, in order

    def __call__(self, queries: np.ndarray, places: np.ndarray, exit: int) -> Estimate:
        self.looks += [(query, place, exit) for query, place in zip(queries.tolist(), places.tolist(), strict=True)]
        return Estimate(self.scores[queries, places], np.full(len(places), SPREADS[exit]))


def spent_on(scores: np.ndarray, truth: Truth, k: int, limit: float = 100, min_gain: float = 0.002) -> list[float]:
    """What the looks of each query cost."""
    exits = np.zeros(scores.shape, int)
    estimate = Estimate(scores, np.full(scores.shape, SPREADS[0]))
    goal = Goal(k, SHARPNESS, limit, min_gain)
    return deepen(estimate, exits, COSTS[exits], COSTS, SPREADS, goal, truth).tolist()


def test_settled_rankings_cost_nothing() -> None:
    truth = Truth(eighths(40, 20, 0))
    assert spent_on(eighths(40, 20, 0), truth, 1) == [0]
    assert truth.looks == []


def test_looks_are_few_where_a_look_must_be_worth_much() -> None:
    scores = np.linspace(1, 0, 30)[None]
    many, few = Truth(scores), Truth(scores)
    spent_on(scores, many, 10, min_gain=0.0005)
    spent_on(scores, few, 10, min_gain=0.005)
    assert len(few.looks) < len(many.looks)


def test_what_looks_cost_stays_within_the_limit() -> None:
    level = np.zeros((2, 30))
    assert all(4 <= spent <= 5 for spent in spent_on(level, Truth(level), 10, limit=5))


def test_costs_are_those_of_the_ways_taken() -> None:
    truth = Truth(eighths(3, 4, 5, 6))
    (spent,) = spent_on(eighths(5, 4.5, 4, 3.5), truth, 2)
    stands, expected = dict.fromkeys(range(4), 0), 0.0
    for _, place, exit in truth.looks:
        expected += COSTS[stands[place], exit]
        stands[place] = exit
    assert spent == expected > 0


def test_queries_go_for_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocation, "ROUND", 2)
    alone = eighths(5, 4.5, 4, 3), eighths(40, 20, 19.5, 0)
    both = Truth(np.vstack(alone))
    spent = spent_on(both.scores, both, 2)
    for query, scores in enumerate(alone):
        truth = Truth(scores)
        assert spent_on(scores, truth, 2) == spent[query : query + 1]
        assert sorted(look[1:] for look in both.looks if look[0] == query) == sorted(look[1:] for look in truth.looks)


def test_what_was_given_is_left_as_it_was() -> None:
    scores = eighths(5, 4, 3)
    spent_on(scores, Truth(eighths(9, 9, 9)), 1)
    assert scores.tolist() == eighths(5, 4, 3).tolist()


def test_doubt_finds_what_is_asked_for_with_fewer_looks_than_rank() -> None:
    draw = np.random.default_rng(0)
    many, spread = 3000, SPREADS[0]
    expected = -np.sort(-draw.normal(0, 0.25, (many, 60)), axis=1)
    truth = expected + draw.normal(0, spread, expected.shape)
    likely = np.exp(SHARPNESS * truth)
    asked = (likely.cumsum(1) < draw.random((many, 1)) * likely.sum(1, keepdims=True)).sum(1)
    exits, straight = np.ones(expected.shape, int), np.where(COSTS == 0.5, np.inf, COSTS)
    estimate = Estimate(expected, np.full(expected.shape, spread))
    spreads = SPREADS[[0, 0, 2]]
    seen, goal = Truth(truth), Goal(5, SHARPNESS, 100, 0.006)
    spent = deepen(estimate, exits, straight[exits], straight, spreads, goal, seen)
    known = certainty_equivalent(expected, estimate.deviations, SHARPNESS)
    ranked = known.copy()
    queries, places, _ = np.array(seen.looks).T
    known[queries, places] = truth[queries, places]
    ranked[:, :7] = truth[:, :7]

    def found(scores: np.ndarray) -> float:
        own = scores[np.arange(many), asked][:, None]
        return float(((scores > own).sum(1) < 5).mean())

    assert spent.sum() / many < 7
    assert found(known) > found(ranked)


@pytest.mark.parametrize(("photos", "k", "size"), [(10, 20, 120), (1_000, 10, 62), (10_000, 20, 200)])
def test_more_candidates_stand_for_a_larger_gallery(photos: int, k: int, size: int) -> None:
    assert pool_size(photos, k) == size


def test_an_exit_that_another_one_beats_is_not_looked_at() -> None:
    spreads = np.array([1 / 8, 1 / 16, 3 / 32, 0.0])  # the third tells less than the second, for more
    costs = np.array([np.inf, 0.4, 0.6, 1.0])
    onward = np.full((4, 4), np.inf)
    targets: list[int] = []

    def run(_: np.ndarray, places: np.ndarray, target: int) -> Estimate:
        targets.append(target)
        return Estimate(np.full(len(places), 0.5), np.full(len(places), spreads[target]))

    deepen(
        Estimate(eighths(5, 5, 5, 4), np.full((1, 4), 1 / 8)),
        np.zeros((1, 4), int),
        np.broadcast_to(costs, (1, 4, 4)),
        onward,
        spreads,
        Goal(2, SHARPNESS, 20.0, 0.01),
        run,
    )
    assert targets
    assert 2 not in targets
