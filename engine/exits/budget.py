"""Budgets: the grid of mean shares of the full encoder's MACs, and a plan for each; `Encoder.encode` applies it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor  # who asks for a budget loads no torch

BUDGET_GRID = tuple(percent / 100 for percent in range(20, 101, 5))  # a plan and gate values are kept for each
DEFAULT_BUDGET = 0.4


@dataclass(frozen=True)
class Plan:
    """How a model meets a budget."""

    open: tuple[int, ...]  # exits (0-based, ascending) whose gates are asked; a pass without one is left out
    price: float  # lambda, what those gates are told compute costs


def nearest_budget(budget: float) -> int:
    """The place on the grid of the budget nearest to one."""
    return min(range(len(BUDGET_GRID)), key=lambda place: abs(BUDGET_GRID[place] - budget))


def rate(exit_probs: "Tensor", cost_share: "Tensor") -> "Tensor":
    """Expected share of the full encoder's MACs.

    Args:
        exit_probs: (B, K) probability of leaving at each exit; rows sum to 1.
        cost_share: (K,) cumulative MACs up to each exit over the full encoder's, readouts and gates included.
    Returns: (B,), may exceed 1 where gates were paid for and the image went all the way.
    """
    return exit_probs @ cost_share
