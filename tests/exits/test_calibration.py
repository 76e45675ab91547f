"""What exits foretell of scores at full depth."""

import numpy as np

from engine.exits.calibration import EXACT, FARTHEST, calibrations, certainty_equivalent


def test_more_doubt_than_is_believed_lifts_no_further() -> None:
    sharpness = 8.0
    most = FARTHEST / sharpness
    found = certainty_equivalent(np.zeros(3), np.array([most / 2, most, 9 * most]), sharpness)
    assert found[0] < found[1] == found[2]


def test_only_the_last_exit_is_exact() -> None:
    table = calibrations(3)
    assert [(c.slope, c.offset, c.deviation) for c in table] == [(1, 0, 0.06), (1, 0, 0.06), (1, 0, 0)]
    assert calibrations(1) == (EXACT,)
