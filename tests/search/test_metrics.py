import numpy as np
import pytest

from engine.search.metrics import average_precision, best, overlap, own_ranks, paired_difference, recall_at


def test_recall_by_hand() -> None:
    images = np.eye(3, dtype=np.float32)
    texts = np.array([[1, 0, 0], [0.9, 0.5, 0], [0, 1, 0], [0.9, 0.1, 0.5]], dtype=np.float32)
    found = recall_at(own_ranks(texts @ images.T, np.array([0, 1, 1, 2])))
    assert found["r1"] == pytest.approx(50)  # the second and the last caption find image 0 first
    assert found["r5"] == 100


def test_equal_scores_are_no_success() -> None:
    assert recall_at(own_ranks(np.ones((4, 4)), np.arange(4)))["r1"] == 0


def test_the_best_come_in_order_and_equals_as_they_stand() -> None:
    assert best(np.array([[1.0, 3.0, 2.0, 3.0]]), 3).tolist() == [[1, 3, 2]]
    assert best(np.array([[1.0, 2.0]]), 9).tolist() == [[1, 0]]


def test_average_precision_by_hand() -> None:
    own = np.array([False, True, False, True])
    assert average_precision(np.array([3.0, 4.0, 2.0, 1.0]), own) == pytest.approx((1 + 2 / 4) / 2)
    assert average_precision(np.array([0.0, 2.0, 0.0, 1.0]), own) == 1


def test_overlap_by_hand() -> None:
    reference = np.array([[0, 1]])
    assert overlap(np.array([[1, 0]]), reference) == 1
    assert overlap(np.array([[2, 0]]), reference) == 0.5


def test_how_many_more_are_found_and_how_sure_that_is_by_hand() -> None:
    owner = np.array([0, 0, 1, 1])
    first, second = np.array([True, True, True, False]), np.array([False, False, True, False])
    more, error = paired_difference(first, second, owner)
    assert more == pytest.approx(50)  # both of image 0, none of image 1
    assert error == pytest.approx(50)  # 50 and 0: a deviation of 35.4 each, and the error of the sum of two of them
    assert paired_difference(first, first, owner) == (0, 0)
    uneven = np.array([0, 0, 0, 1])
    assert paired_difference(np.ones(4), np.zeros(4), uneven) == (100, 0), "that images have unequal many is no doubt"
    # Off the mean of 75 by 3 * 25 and by -75: a sum of squares of 11,250, twice that for two images, over 4 texts.
    assert paired_difference(np.array([1, 1, 1, 0]), np.zeros(4), uneven) == pytest.approx((75, 22_500**0.5 / 4))
    assert paired_difference(first[:2], second[:2], owner[:2]) == (100, 0)  # of one image no error is known
