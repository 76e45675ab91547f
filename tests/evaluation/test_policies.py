import pytest

from engine.evaluation.photo_set import PhotoSet
from engine.evaluation.policies import BY_PRICE, patience, within


@pytest.mark.parametrize(
    ("policy", "exits"),
    [
        ("confidence", [0, 1, 0, 2, 2]),  # is taken in by the third, and waits in vain for the last two
        ("oracle", [0, 2, 2, 0, 0]),  # the fourth's caption fits it best early, the last has none
        ("oracle-drift", [0, 1, 2, 2, 0]),  # nobody moves after where it leaves
    ],
)
def test_a_policy_with_a_price_spends_a_budget_where_it_sees_most(
    five: PhotoSet, policy: str, exits: list[int]
) -> None:
    assert within(BY_PRICE[policy](five), five.shares, 0.6).tolist() == exits


def test_patience_goes_on_where_the_best_text_has_changed(five: PhotoSet) -> None:
    assert patience(five, 1).tolist() == [1, 2, 1, 1, 1]
