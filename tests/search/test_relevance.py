import numpy as np
import pytest

from engine.exits.calibration import Estimate
from engine.search.ranking import Ranking
from engine.search.relevance import fits, relevant, standing


def ranked_by(scores: list[float], own: int = 0) -> Ranking:
    """A ranking of these scores, the first of which may be of pictures that it asks with."""
    none = np.empty(0)
    return Ranking([], scores, [place < own for place in range(len(scores))], Estimate(none, none), len(scores))


@pytest.mark.parametrize(
    ("scores", "many"),
    [
        ([], 0),
        ([0.3], 1),
        ([0.4, 0.38, 0.1, 0.09, 0.08], 2),  # two that fit, and the rest of the gallery
        ([0.4, 0.1, 0.09, 0.08, 0.07], 1),
        ([0.3, 0.29, 0.29, 0.28, 0.28], 5),  # all alike: nothing falls off
        ([0.04, 0.038, 0.01, 0.009, 0.008], 2),  # the same at another query's scale
        ([-0.1, -0.2, -0.3, -0.4], 4),
    ],
)
def test_photos_that_stand_out_are_counted(scores: list[float], many: int) -> None:
    assert relevant(ranked_by(scores)) == many


def test_the_picture_that_is_asked_with_stands_before_what_is_like_it() -> None:
    scores = [1.0, 0.6, 0.58, 0.2, 0.19, 0.18, 0.17]
    assert relevant(ranked_by(scores, own=1)) == 3
    assert relevant(ranked_by(scores)) == 1
    assert relevant(ranked_by([1.0], own=1)) == 1


def test_plain_words_that_no_photo_fits_have_none_before_the_line() -> None:
    scores = ranked_by([0.1, 0.09, 0.01, 0.01, 0.01])
    assert standing(scores, "a dog", usual_affinity=0.4) == 0
    assert standing(scores, "", usual_affinity=0.4) == 2, "a sum or a picture has a scale of its own"
    assert standing(scores, "a dog", usual_affinity=0.1) == 2
    assert standing(scores, "海辺の犬", usual_affinity=0.1) == 0, "which the text tower does not read"
    assert standing(ranked_by([]), "a dog", usual_affinity=0.4) == 0


def test_what_scores_far_below_what_texts_usually_do_does_not_fit() -> None:
    assert fits(0.3, "a dog", usual_affinity=0.4)
    assert not fits(0.1, "a dog", usual_affinity=0.4)
    assert fits(-0.1, "a dog", usual_affinity=0.0), "nothing is known of this model"
