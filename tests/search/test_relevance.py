import pytest

from engine.search.relevance import fits, relevant, standing


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
    assert relevant(scores) == many


def test_plain_words_that_no_photo_fits_have_none_before_the_line() -> None:
    scores = [0.1, 0.09, 0.01, 0.01, 0.01]
    assert standing(scores, "a dog", usual_affinity=0.4) == 0
    assert standing(scores, "", usual_affinity=0.4) == 2, "a sum or a picture has a scale of its own"
    assert standing(scores, "a dog", usual_affinity=0.1) == 2
    assert standing(scores, "海辺の犬", usual_affinity=0.1) == 0, "which the text tower does not read"
    assert standing([], "a dog", usual_affinity=0.4) == 0


def test_what_scores_far_below_what_texts_usually_do_does_not_fit() -> None:
    assert fits(0.3, usual_affinity=0.4)
    assert not fits(0.1, usual_affinity=0.4)
    assert fits(-0.1, usual_affinity=0.0), "nothing is known of this model"
