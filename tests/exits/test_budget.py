import pytest
import torch

from engine.exits.budget import BUDGET_GRID, log_prices, nearest_budget, rate
from engine.exits.gate import first_exit, leaving

SHARES = torch.tensor([0.3, 0.55, 0.8, 1.0])


@pytest.fixture
def leanings() -> torch.Tensor:
    return torch.randn(200, 3, generator=torch.Generator().manual_seed(0)) * 4


def costs(leanings: torch.Tensor, prices: list[float]) -> list[float]:
    """Mean share of the MACs at each budget, as the gates decide at run time."""
    exits = first_exit(leaving(leanings[..., None], torch.tensor(prices)).transpose(1, 2))  # (N, G)
    return SHARES[exits].mean(0).tolist()


def test_rate_is_the_expected_share() -> None:
    probs = torch.tensor([[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]])
    assert rate(probs, torch.tensor([0.4, 0.8, 1.1])).tolist() == pytest.approx([0.675, 1.1])


def test_prices_meet_their_budgets_within_one_photo(leanings: torch.Tensor) -> None:
    one = (1 - float(SHARES[0])) / len(leanings)
    for budget, cost in zip(BUDGET_GRID, costs(leanings, log_prices(leanings, SHARES)), strict=True):
        if budget < SHARES[0]:
            assert cost == pytest.approx(float(SHARES[0])), "nothing is cheaper than the first exit"
        else:
            assert budget - one - 1e-6 < cost <= budget + one + 1e-6


def test_a_higher_budget_has_a_lower_price_and_the_whole_one_none(leanings: torch.Tensor) -> None:
    prices = log_prices(leanings, SHARES)
    assert prices == sorted(prices, reverse=True)
    assert costs(leanings, prices)[-1] == 1


def test_photos_that_are_all_alike_stay_within_the_budget() -> None:
    alike = torch.zeros(50, 3)
    for budget, cost in zip(BUDGET_GRID, costs(alike, log_prices(alike, SHARES)), strict=True):
        assert cost == pytest.approx(1.0 if budget == 1 else 0.3)


def test_any_number_is_near_a_budget_of_the_grid() -> None:
    assert [BUDGET_GRID[nearest_budget(b)] for b in (0.0, 0.41, 0.99, 7.0)] == [0.2, 0.4, 1.0, 1.0]
