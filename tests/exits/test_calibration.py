"""What exits foretell, worked out by hand: scores in eighths, each of which makes a photo twice as likely."""

import math

import numpy as np
import pytest

from engine.exits.calibration import EXACT, FARTHEST, calibrations, certainty_equivalent

SHARPNESS = 8 * math.log(2)


def eighths(*numbers: float) -> np.ndarray:
    return np.array([numbers], np.float64) / 8


def test_a_doubtful_score_is_worth_more_than_the_same_one_known() -> None:
    # The mean of 2^x where x is normal around 3, give or take 1, is 2^3 * exp(log(2)^2 / 2) = 2^3.3466.
    found = certainty_equivalent(eighths(3, 3), eighths(1, 0), SHARPNESS)
    assert found * 8 == pytest.approx(np.array([[3.3466, 3]]), abs=1e-4)


def test_more_doubt_than_is_believed_lifts_no_further() -> None:
    most = FARTHEST / SHARPNESS
    found = certainty_equivalent(np.zeros(3), np.array([most / 2, most, 9 * most]), SHARPNESS)
    assert found[0] < found[1] == found[2]


def test_only_the_last_exit_is_exact() -> None:
    table = calibrations(3)
    assert [(c.slope, c.offset, c.deviation) for c in table] == [(1, 0, 0.06), (1, 0, 0.06), (1, 0, 0)]
    assert calibrations(1) == (EXACT,)
