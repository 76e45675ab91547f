"""Where a ranking's relevance falls off; a fixed similarity would not do, for every query has a scale of its own."""

from collections.abc import Sequence
from statistics import median

HALF = 0.5  # of the way from what the gallery scores anyway to the best photo


def relevant(scores: Sequence[float]) -> int:
    """How many of a ranking's photos to show before the fold: up to the last one that stands out.

    A photo stands out when it scores nearer to the best than to the middle of the ranking. Where the ranking is about
    as high everywhere, none does more than another, and all are counted.

    Args:
        scores: in the order of the ranking, which need not be theirs: uncertain photos rank higher than they score.
            They are from enough of the gallery to hold photos that do not fit the query.
    """
    best = max(scores, default=0.0)
    if len(scores) < 3 or best <= 0:
        return len(scores)
    middle = median(scores)
    if best - middle < 0.1 * best:
        return len(scores)
    edge = middle + HALF * (best - middle)
    return max(rank for rank, score in enumerate(scores, start=1) if score >= edge)


def closeness(score: float, best: float) -> float:
    """A similarity as a share of the best one's, 0 to 1."""
    return min(max(score / best, 0.0), 1.0) if best > 0 else 0.0
