"""The one knob: the mean share of the full encoder's MACs that a person asks for."""

from dataclasses import dataclass

BUDGET_GRID = tuple(percent / 100 for percent in range(20, 101, 5))  # a plan and gate values are kept for each
DEFAULT_BUDGET = 0.4


@dataclass(frozen=True)
class Plan:
    """How a model meets a budget."""

    open: tuple[int, ...]  # exits (0-based, ascending) whose gates are asked; a pass without one is left out
    price: float  # lambda, what those gates are told compute costs
