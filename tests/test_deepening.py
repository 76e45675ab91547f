"""Who is run deeper, worked out by hand: deviations of 1/8, so that every distance is a whole number of them."""

from collections.abc import Sequence

import numpy as np
import pytest

from engine import deepening
from engine.deepening import calibrations, deepen, in_doubt, pool_size


def eighths(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float32) / 8


def unsure(many: int, *known: int) -> np.ndarray:
    deviations = np.full(many, 1 / 8)
    deviations[list(known)] = 0
    return deviations


def chosen(scores: np.ndarray, k: int, *known: int) -> list[int]:
    return in_doubt(scores, unsure(len(scores), *known), k).tolist()


def test_those_near_the_edge_of_the_page_are_in_doubt() -> None:
    # A page of two ends between 5 and 4: 1 deviation from either, 4 from the last, and the first is 5 ahead.
    assert chosen(eighths(10, 5, 4, 1), 2) == [1, 2]


def test_a_candidate_at_full_depth_is_known() -> None:
    assert chosen(eighths(10, 5, 4, 1), 2, 1) == [2]
    assert chosen(eighths(10, 5, 4, 1), 2, 0, 1, 2, 3) == []


def test_on_a_page_with_room_for_all_only_the_first_place_can_change() -> None:
    assert chosen(eighths(5, 4, 0), 3) == [0, 1]
    assert chosen(eighths(10, 5, 0), 3) == []
    assert chosen(eighths(5), 1) == []
    assert chosen(eighths(), 1) == []


def test_the_first_place_counts_for_more_than_the_edge() -> None:
    # Half a deviation between the first two, and nothing between those on either side of the edge.
    assert chosen(eighths(20, 19.5, 4, 4, 0), 3) == [0, 1, 2, 3]


def test_equals_on_both_sides_of_the_edge_are_all_in_doubt() -> None:
    assert chosen(eighths(20, 4, 4, 4), 2) == [1, 2, 3]
    assert chosen(eighths(20, 4, 4, 4, -20), 4) == []


@pytest.mark.parametrize(("sigmas", "is_in_doubt"), [(1.6, True), (1.7, False)])  # 5 in 100 lie beyond 1.645
def test_a_place_is_settled_when_it_is_hardly_ever_wrong(sigmas: float, is_in_doubt: bool) -> None:
    scores = np.array([9.0, 1.0, 1 - sigmas])
    deviations = np.array([0, 0, 1.0])
    assert in_doubt(scores, deviations, 2).tolist() == ([2] if is_in_doubt else [])


def test_one_that_is_less_certain_may_come_from_further_off() -> None:
    scores, deviations = eighths(20, 5, 3.5, 1), np.array([0, 0, 1, 4]) / 8
    assert in_doubt(scores, deviations, 2).tolist() == [3, 2]  # 1 and 1.5 deviations off the edge


class Truth:
    """Gives candidates their full-depth scores, and remembers in which rounds they were asked for."""

    def __init__(self, scores: np.ndarray) -> None:
        self.scores = scores
        self.rounds: list[list[int]] = []

    def __call__(self, places: Sequence[int]) -> np.ndarray:
        self.rounds.append(list(places))
        return self.scores[list(places)]


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deepening, "ROUND", 1)


def refined(scores: np.ndarray, truth: np.ndarray, k: int, most: int = 100) -> list[list[int]]:
    run = Truth(truth)
    tried = deepen(scores, unsure(len(scores)), k, most, run)
    assert tried == [place for places in run.rounds for place in places]
    return run.rounds


@pytest.mark.usefixtures("one_by_one")
def test_a_first_that_proves_itself_settles_the_others() -> None:
    assert refined(eighths(5, 4, 3), eighths(9, 0, 0), 1) == [[0]]


@pytest.mark.usefixtures("one_by_one")
def test_a_first_that_falls_back_lets_the_next_try() -> None:
    assert refined(eighths(5, 4, 3), eighths(1, 4, 9), 1) == [[0], [1], [2]]


def test_a_round_is_cut_to_what_the_query_may_still_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deepening, "ROUND", 2)
    level = np.zeros(9)
    assert refined(level, level, 3, most=5) == [[0, 1], [2, 3], [4]]
    assert refined(level, level, 3, most=0) == []


@pytest.mark.usefixtures("one_by_one")
def test_one_that_cannot_be_run_keeps_its_place_and_is_asked_once() -> None:
    # The first stays at 5, so that the second, 1 deviation below, has still to be run.
    assert refined(eighths(5, 4, -9), np.array([np.nan, 0, 0]), 1) == [[0], [1]]


def test_what_was_given_is_left_as_it_was() -> None:
    scores, deviations = eighths(5, 4, 3), unsure(3)
    deepen(scores, deviations, 1, 9, Truth(eighths(9, 9, 9)))
    assert scores.tolist() == eighths(5, 4, 3).tolist()
    assert (deviations == 1 / 8).all()


def test_the_page_is_nearly_that_of_full_depth_for_a_fraction_of_the_candidates() -> None:
    draw = np.random.default_rng(0)
    right = runs = 0
    for _ in range(50):
        expected = np.sort(draw.normal(0, 1, 200))[::-1]
        truth = expected + draw.normal(0, 0.15, 200)
        tried = deepen(expected, np.full(200, 0.15), 10, 200, Truth(truth))
        known = expected.copy()
        known[tried] = truth[tried]
        right += len(set(np.argsort(-known)[:10]) & set(np.argsort(-truth)[:10]))
        runs += len(tried)
    assert right / 500 > 0.96
    assert runs / 50 < 16


@pytest.mark.parametrize(("photos", "k", "size"), [(10, 20, 80), (1_000, 10, 62), (10_000, 20, 200)])
def test_more_candidates_stand_for_a_larger_gallery(photos: int, k: int, size: int) -> None:
    assert pool_size(photos, k) == size


def test_only_the_last_exit_is_exact() -> None:
    table = calibrations(3)
    assert [(c.slope, c.offset, c.deviation) for c in table] == [(1, 0, 0.06), (1, 0, 0.06), (1, 0, 0)]
    assert calibrations(1) == table[-1:]
