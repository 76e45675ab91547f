"""What every budget would do to a collection's photos: told once from their kept gate values, until they change."""

from collections.abc import Iterable, Iterator
from operator import add
from typing import TYPE_CHECKING

import numpy as np

from engine.budget import BUDGET_GRID
from engine.forecast import Forecast, forecast
from engine.store import Store

if TYPE_CHECKING:
    from engine.encoder import Encoder

CHUNK = 5_000  # photos whose gate values are read at once: a few MB


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
