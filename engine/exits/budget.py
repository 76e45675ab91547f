"""Budgets: the grid of mean shares of the full encoder's MACs, and the price of compute that meets each.

From a budget to an exit: its price (`log_prices`) goes into each gate (`gate.leaving`), and a photo leaves at the first
one that lets it go (`let_go`): asked exit by exit as it runs (`encoder.Encoder.encode`), or all at once where its gates
are known (`gate.first_exit`).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor  # who asks for a budget loads no torch

BUDGET_GRID = tuple(percent / 100 for percent in range(20, 101, 5))  # a price and gate values are kept for each
DEFAULT_BUDGET = 0.6
LEAVES_AT = 0.5  # probability of leaving at which a photo does
# How sharply a gate answers to the price: steep enough for training's expectation to come near to the decision at run
# time, flat enough for photos to leave at different prices.
SLOPE = 6.0
ROUNDING = 1e-4  # of the logarithm of a price: beyond that of a gate in float32
CHEAPEST, DEAREST = -12.0, 12.0  # logarithms of the prices between which one is looked for


def nearest_budget(budget: float) -> int:
    """The place on the grid of the budget nearest to one."""
    return min(range(len(BUDGET_GRID)), key=lambda place: abs(BUDGET_GRID[place] - budget))


def let_go(gates: Any) -> Any:
    """Whether gates let photos go: probabilities of leaving, a tensor or an array, to as many bools."""
    return gates >= LEAVES_AT


def rate(exit_probs: "Tensor", cost_share: "Tensor") -> "Tensor":
    """Expected share of the full encoder's MACs.

    Args:
        exit_probs: (B, K) probability of leaving at each exit; rows sum to 1.
        cost_share: (K,) cumulative MACs up to each exit over the full encoder's, readouts and gates included.
    Returns: (B,).
    """
    return exit_probs @ cost_share


def log_prices(leanings: "Tensor", cost_share: "Tensor") -> list[float]:
    """The logarithm of lambda that meets each budget of the grid on a set of photos, by bisection.

    The mean cost falls as the price rises, in steps of one photo, so it comes within one photo of the budget; a budget
    below the first exit's cost gets the dearest price, the whole one a price of nothing.

    Args:
        leanings: (N, K - 1) of the gates.  cost_share: (K,) ascending.
    """
    # A photo leaves at exit k or before once the price is above the lowest that any exit up to k asks for.
    asks = (-leanings / SLOPE).cummin(1).values  # (N, K - 1) logarithms of prices
    steps = cost_share.diff()  # (K - 1,)

    def cost(price: float) -> float:
        return float(cost_share[0] + ((asks > price).to(steps.dtype) @ steps).mean())

    found = []
    for budget in BUDGET_GRID:
        low, high = CHEAPEST, DEAREST
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (low, middle) if cost(middle) <= budget else (middle, high)
        found.append(CHEAPEST if budget == 1 else high + ROUNDING)
    return found
