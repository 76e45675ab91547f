"""Where a ranking's relevance falls off; a fixed similarity would not do, for every query has a scale of its own."""

from collections.abc import Sequence
from statistics import median

HALF = 0.5  # of the way from what the gallery scores anyway to the best photo


def relevant(scores: Sequence[float]) -> int:
    """How many of the best photos stand out from the rest.

    A photo stands out when it scores nearer to the best than to the middle of the ranking. Where the ranking is about
    as high everywhere, none does more than another, and all are counted.

    Args:
        scores: best first; from enough of the gallery to hold photos that do not fit the query.
    """
    if len(scores) < 3 or scores[0] <= 0:
        return len(scores)
    middle = median(scores)
    if scores[0] - middle < 0.1 * scores[0]:
        return len(scores)
    edge = middle + HALF * (scores[0] - middle)
    return sum(score >= edge for score in scores)


def closeness(score: float, best: float) -> float:
    """A similarity as a share of the best one's, 0 to 1."""
    return min(max(score / best, 0.0), 1.0) if best > 0 else 0.0
