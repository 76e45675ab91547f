"""Which of a query's candidates to run deeper: those whose place on the first page is in doubt, and no others.

A candidate's score at full depth is taken to be normal around its calibrated score. How far that stands from the score
at the page's edge says how probably the candidate is on the wrong side of it; how far from the best of the others, how
probably it is wrongly the first, or wrongly not. Nothing here knows of photos or encoders.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

ROUND = 8  # photos run deeper at once, before the page's edge is looked at again
DOUBT = 0.05  # a place is settled when it is wrong with a probability below this
FIRST = 4.0  # how many wrong places on the page the wrong first one counts for

_NORMAL = NormalDist()


@dataclass(frozen=True)
class Calibration:
    """What a score at an exit foretells of the score at full depth: slope * score + offset, give or take."""

    slope: float
    offset: float
    deviation: float  # standard deviation of the full-depth score around that


EXACT = Calibration(slope=1.0, offset=0.0, deviation=0.0)  # of the last exit
UNFITTED = Calibration(slope=1.0, offset=0.0, deviation=0.06)


def calibrations(exits: int) -> tuple[Calibration, ...]:
    """One for each exit of an encoder, the last one exact, where none have been fitted."""
    return (*(UNFITTED for _ in range(exits - 1)), EXACT)


def pool_size(photos: int, k: int) -> int:
    """How many of the best of a gallery are candidates for a page of k; it grows with the gallery's square root."""
    return max(4 * k, 2 * math.isqrt(photos))


def in_doubt(expected: np.ndarray, deviations: np.ndarray, k: int) -> np.ndarray:
    """The candidates worth running deeper, those whose place is least certain first.

    Args:
        expected: (M,) calibrated scores.
        deviations: (M,) of each one's full-depth score around it; 0 for one that is known already.
        k: page size.
    Returns: (N,) positions in `expected`; equals in the order in which they stand there.
    """
    places = np.flatnonzero(deviations > 0)
    doubt = _wrong(expected, deviations, k)[places] + FIRST * _wrong(expected, deviations, 1)[places]
    order = np.argsort(-doubt, kind="stable")
    return places[order][doubt[order] >= DOUBT]


def deepen(
    expected: np.ndarray,
    deviations: np.ndarray,
    k: int,
    most: int,
    run: Callable[[Sequence[int]], np.ndarray],
) -> list[int]:
    """Run candidates deeper, round by round, until every place is settled or as many are run as the query may cost.

    Args:
        expected, deviations, k: as for `in_doubt`.
        most: candidates that may be run.
        run: runs the candidates at some positions deeper; their (N,) scores at full depth, NaN for one that cannot be
            run: it keeps its place.
    Returns: positions of those that were tried, in order.
    """
    expected, deviations = expected.astype(np.float64), deviations.astype(np.float64)
    tried: list[int] = []
    while len(tried) < most:
        places = in_doubt(expected, deviations, k)[: min(ROUND, most - len(tried))]
        if not len(places):
            break
        scores = run(places.tolist())
        expected[places] = np.where(np.isnan(scores), expected[places], scores)
        deviations[places] = 0
        tried += places.tolist()
    return tried


def _wrong(expected: np.ndarray, deviations: np.ndarray, k: int) -> np.ndarray:
    """(M,) The probability that full depth would move each candidate into the best k, or out of them."""
    best = np.append(np.sort(expected)[::-1], np.full(k + 1, -np.inf))
    rivals = np.where(expected >= best[k - 1], best[k], best[k - 1])  # the k-th score of all the others
    with np.errstate(divide="ignore", invalid="ignore"):  # a candidate that is known is in no doubt
        sigmas = np.where(deviations > 0, np.abs(expected - rivals) / deviations, np.inf)
    return np.array([_NORMAL.cdf(-sigma) for sigma in sigmas.tolist()])
