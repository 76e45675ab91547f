import pytest

from engine.search.relevance import closeness, relevant


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
        ([0.26, 0.4, 0.1, 0.09, 0.08], 2),  # an uncertain photo first: the best one tells what stands out
        ([0.3, 0.4, 0.2, 0.32, 0.1, 0.09, 0.08, 0.07, 0.06], 4),  # none that stands out is folded away
        ([-0.1, 0.4, 0.39, 0.1, 0.09], 3),
    ],
)
def test_photos_that_stand_out_are_counted(scores: list[float], many: int) -> None:
    assert relevant(scores) == many


@pytest.mark.parametrize(("score", "share"), [(0.4, 1), (0.2, 0.5), (-0.1, 0), (0.5, 1)])
def test_similarity_as_a_share_of_the_best(score: float, share: float) -> None:
    assert closeness(score, 0.4) == share


def test_where_nothing_fits_nothing_is_close() -> None:
    assert closeness(-0.1, -0.05) == 0
