"""Calibration: predicts a full-depth score from a score at an exit, and makes scores of all exits comparable."""

from dataclasses import dataclass

import numpy as np

FARTHEST = 1.5  # deviation of the log of a likelihood that is believed: farther out, normal tails would decide it all


@dataclass(frozen=True)
class Calibration:
    """Of the scores at one exit: the score at full depth is slope * score + offset, give or take."""

    slope: float
    offset: float
    deviation: float  # standard deviation of the full-depth score around that


EXACT = Calibration(slope=1.0, offset=0.0, deviation=0.0)  # of the last exit
UNFITTED = Calibration(slope=1.0, offset=0.0, deviation=0.06)


def calibrations(exits: int) -> tuple[Calibration, ...]:
    """One for each exit of an encoder, the last one exact, where none have been fitted."""
    return (*(UNFITTED for _ in range(exits - 1)), EXACT)


@dataclass(frozen=True)
class Estimate:
    """Predicted scores of candidates at full depth; arrays of one shape."""

    expected: np.ndarray  # scores
    deviations: np.ndarray  # standard deviations of the true scores around those; 0 where they are known


def certainty_equivalent(expected: np.ndarray, deviations: np.ndarray, logit_scale: float) -> np.ndarray:
    """The known score that is as likely the one asked for as an uncertain one: the log of a log-normal mean.

    Args: arrays of one shape.  logit_scale: what scores are multiplied by before their softmax.
    """
    return expected + logit_scale / 2 * np.minimum(deviations, FARTHEST / logit_scale) ** 2
