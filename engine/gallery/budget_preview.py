"""What another budget would do to photos that are encoded already, told from the gate values that are kept of them.

A gate was asked only where the budget of its time asked it, and it looked at the change since the exit asked before. So
a kept value answers for another budget exactly where that one asks the same exits up to there; where it asks others, or
would let the photo go on, what the photo would do is not known, and a forecast says so.

It is told once for every budget, until the photos change.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import add
from typing import TYPE_CHECKING

import numpy as np

from engine.exits.budget import BUDGET_GRID, Plan
from engine.storage.store import Store

if TYPE_CHECKING:
    from engine.exits.encoder import Encoder

CHUNK = 5_000  # photos whose gate values are read at once: a few MB


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


class Outlooks:
    """Forecasts for every budget of the grid, by collection; safe to use from many threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: dict[int, tuple[object, list[Forecast]]] = {}

    def of(self, collection_id: int, encoder: "Encoder", budget: float) -> Forecast:
        """What a collection's photos would do at a budget.

        Args: encoder: the one that they were encoded with.
        """
        state = (encoder.identity, self._store.state(collection_id))
        before, told = self._kept.get(collection_id, (None, []))
        if before != state:
            told = _all(self._groups(collection_id, encoder.exits - 1), encoder)
            self._kept[collection_id] = (state, told)
        return told[place(budget)]

    def forget(self, collection_id: int) -> None:
        """A collection is gone."""
        self._kept.pop(collection_id, None)

    def _groups(self, collection_id: int, gated: int) -> Iterator[tuple[int, np.ndarray]]:
        """A collection's photos by the budget they were encoded for, as `forecast` takes them.

        Args: gated: how many exits have a gate.
        """
        after, width = 0, 4 * len(BUDGET_GRID)  # bytes of an exit's values
        while rows := self._store.gates(collection_id, after, CHUNK):
            after = rows[-1][0]
            groups: dict[tuple[int, int], list[bytes]] = {}
            for _, budget, gates in rows:
                groups.setdefault((place(budget), len(gates) // width), []).append(gates)
            for (origin, reached), group in groups.items():
                values = np.full((len(group), gated, len(BUDGET_GRID)), np.nan, np.float32)
                known = np.frombuffer(b"".join(group), np.float32)
                values[:, :reached] = known.reshape(len(group), reached, len(BUDGET_GRID))
                yield origin, values


def place(budget: float) -> int:
    """The nearest budget's place on the grid."""
    return int(np.abs(np.array(BUDGET_GRID) - budget).argmin())


def _all(groups: Iterable[tuple[int, np.ndarray]], encoder: "Encoder") -> list[Forecast]:
    """A forecast for every budget of the grid, in one pass over the photos."""
    plans = encoder.plans
    costs = [encoder.exit_macs(plan.open) for plan in plans]
    told = [forecast((), plans, costs[to], to) for to in range(len(plans))]
    for group in groups:
        told = [_sum(part, forecast([group], plans, costs[to], to)) for to, part in enumerate(told)]
    return told


def _sum(one: Forecast, other: Forecast) -> Forecast:
    return Forecast(
        exits=tuple(map(add, one.exits, other.exits)),
        further=tuple(map(add, one.further, other.further)),
        least_macs=one.least_macs + other.least_macs,
        most_macs=one.most_macs + other.most_macs,
    )
