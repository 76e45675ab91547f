"""Where a ranking's relevance falls off, and whether its best photo fits at all.

A fixed similarity would not do for the first: every query has a scale of its own.
"""

from statistics import median

from engine.search.query_parser import is_english
from engine.search.ranking import Ranking

# Of the way from the middle of the candidates to the best photo; chosen on a val set, by wide words and by names.
EDGE = 0.6
LEAST = 0.5  # of the usual affinity, that the best photo scores where any fits; chosen on val sets


def fits(best: float, words: str, usual_affinity: float) -> bool:
    """Whether the best photo fits plain words: one always comes first, and it may show nothing of them.

    Args:
        words: of a query of plain words; empty for a sum or a picture, whose scores do not tell whether anything fits.
        usual_affinity: see `CandidateScorer`; 0, of a model without exits, tells nothing.
    """
    return not words or (is_english(words) and (usual_affinity <= 0 or best >= LEAST * usual_affinity))


def standing(ranking: Ranking, words: str, usual_affinity: float) -> int:
    """How many photos fit a ranking's query: those before the line, and none for plain words that none fits.

    Args: words, usual_affinity: see `fits`.
    """
    if ranking.scores and not fits(ranking.scores[0], words, usual_affinity):
        return 0
    return relevant(ranking)


def relevant(ranking: Ranking) -> int:
    """How many photos of a ranking stand out.

    A photo stands out when it scores at least EDGE of the way from the middle of the candidates, which are enough of
    the gallery to hold photos that do not fit, to the best. A picture that was asked with is like no other: it is not
    the best here. Where scores are about as high everywhere, none stands out more than another, and all are counted.
    """
    scores = ranking.scores
    best = next((score for score, own in zip(scores, ranking.own, strict=True) if not own), 0.0)
    if len(scores) < 3 or best <= 0:
        return ranking.photos
    middle = median(scores)
    if best - middle < 0.1 * best:
        return ranking.photos
    edge = middle + EDGE * (best - middle)
    return sum(score >= edge for score in scores)
