"""Where a ranking's relevance falls off, and whether its best photo fits at all.

A fixed similarity would not do for the first: every query has a scale of its own.
"""

from collections.abc import Sequence
from statistics import median

from engine.search.query_parser import is_english

HALF = 0.5  # of the way from what the gallery scores anyway to the best photo
LEAST = 0.5  # of the usual affinity, that the best photo scores where any fits; chosen on val sets


def fits(best: float, usual_affinity: float) -> bool:
    """Whether the best photo for plain words fits them: one always comes first, and it may show nothing of them.

    Args: usual_affinity: see `CandidateScorer`; 0, of a model without exits, tells nothing.
    """
    return usual_affinity <= 0 or best >= LEAST * usual_affinity


def standing(scores: Sequence[float], words: str, usual_affinity: float) -> int:
    """How many of a ranking's photos fit its query: those before the line, and none for plain words that none fits.

    Args:
        scores: see `relevant`.  usual_affinity: see `fits`.
        words: of a query of plain words; empty for a sum or a picture, whose scores do not tell whether anything fits.
    """
    if words and scores and not (is_english(words) and fits(scores[0], usual_affinity)):
        return 0
    return relevant(scores)


def relevant(scores: Sequence[float]) -> int:
    """How many of a ranking's photos stand out.

    A photo stands out when it scores nearer to the best than to the middle of the ranking. Where the ranking is about
    as high everywhere, none does more than another, and all are counted.

    Args:
        scores: that the ranking is by, best first, from enough of the gallery to hold photos that do not fit.
    """
    best = scores[0] if scores else 0.0
    if len(scores) < 3 or best <= 0:
        return len(scores)
    middle = median(scores)
    if best - middle < 0.1 * best:
        return len(scores)
    edge = middle + HALF * (best - middle)
    return sum(score >= edge for score in scores)
