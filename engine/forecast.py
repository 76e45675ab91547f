"""What another budget would do to photos that are encoded already, told from the gate values that are kept of them.

A gate was asked only where the budget of its time asked it, and it looked at the change since the exit asked before. So
a kept value answers for another budget exactly where that one asks the same exits up to there; where it asks others, or
would let the photo go on, what the photo would do is not known, and a forecast says so.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from engine.budget import Plan


@dataclass(frozen=True)
class Forecast:
    """Photos and work at another budget."""

    exits: tuple[int, ...]  # photos that leave at each exit
    further: tuple[int, ...]  # photos that come as far as each exit, and then it is not known
    least_macs: int  # if every one of those left there
    most_macs: int  # if every one of those went all the way

    @property
    def photos(self) -> int:
        """All photos it tells of."""
        return sum(self.exits) + sum(self.further)

    @property
    def exact(self) -> bool:
        """Whether what every photo would do is known."""
        return not any(self.further)


def forecast(
    groups: Iterable[tuple[int, np.ndarray]], plans: Sequence[Plan], costs: Sequence[int], to: int
) -> Forecast:
    """What the photos would do at another budget.

    Args:
        groups: photos by the budget they were encoded for: its place on the grid, and (N, K - 1, G) gate values, NaN
            where a gate was not asked or not reached.
        plans: one for each budget of the grid.
        costs: (K,) MACs of a photo that leaves at each exit at the budget told of.
        to: that budget's place on the grid.
    """
    last = len(costs) - 1
    exits, further = np.zeros(last + 1, np.int64), np.zeros(last + 1, np.int64)
    for origin, gates in groups:
        arrived = np.ones(len(gates), bool)
        for k in plans[to].open:
            value = gates[:, k, to] if _same_way(plans[origin].open, plans[to].open, k) else np.full(len(gates), np.nan)
            exits[k] += np.count_nonzero(arrived & (value >= 0.5))
            further[k] += np.count_nonzero(arrived & np.isnan(value))
            arrived &= value < 0.5
        exits[last] += np.count_nonzero(arrived)
    known, least = int(exits @ costs), int(further @ costs)
    return Forecast(
        exits=tuple(exits.tolist()),
        further=tuple(further.tolist()),
        least_macs=known + least,
        most_macs=known + int(further.sum()) * costs[last],
    )


def _same_way(open: Sequence[int], other: Sequence[int], k: int) -> bool:
    """Whether two plans ask exit k, and the same one before it."""
    return k in open and k in other and _before(open, k) == _before(other, k)


def _before(open: Sequence[int], k: int) -> int:
    return max((exit for exit in open if exit < k), default=-1)
