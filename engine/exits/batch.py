"""One batch on its way through the encoder: which rows are still in, what each has shown, and what it cost."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import numpy as np
from torch import Tensor

from engine.clip.device import bring_later
from engine.exits.feature_map import FeatureMap
from engine.exits.phrases import Phrases
from engine.utils.compute_lock import COMPUTE

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Encoding:
    """What the encoder made of one photo, and what that cost."""

    vector: np.ndarray  # (D,) float32, unit length
    exit: int  # 1..K, where it left
    gates: np.ndarray  # (R, G) float32: at each gated exit up to its own, the probability of leaving on the grid of
    # budgets; NaN at an exit that its budget's plan does not ask
    phrases: tuple[Phrases, ...]  # for each exit up to its own; () where it was not asked
    macs: int  # spent, readouts and gates included
    milliseconds: float  # for each stage it ran, the stage's time over the rows in it, summed
    budget: float
    map: FeatureMap | None  # what it left with; None at the end of a pass, where nothing is left to resume


@dataclass(frozen=True)
class DeeperRun:
    """What became of a photo that was sent to an exit, no gate asked on the way."""

    vector: np.ndarray  # (D,) float32, unit length
    exit: int  # 1..K
    phrases: Phrases
    macs: int  # spent on the way
    milliseconds: float
    map: FeatureMap | None


class BatchRun:
    """The bookkeeping of one batch: which rows are still in, and what each has shown and cost."""

    def __init__(self, many: int, budgets: int) -> None:
        self.rows, self._budgets = list(range(many)), budgets
        self._seconds = [0.0] * many
        self._gates: list[dict[int, np.ndarray]] = [{} for _ in range(many)]
        self._phrases: list[dict[int, Phrases]] = [{} for _ in range(many)]
        self._left: dict[int, tuple[int, np.ndarray]] = {}
        self._maps: dict[int, FeatureMap] = {}

    def timed(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do one piece of work, shorter work of others first, and share its time among the rows that are in."""
        COMPUTE.give_way()
        began = time.perf_counter()
        done = work(*args, **kwargs)
        share = (time.perf_counter() - began) / max(1, len(self.rows))
        for row in self.rows:
            self._seconds[row] += share
        return done

    def note(self, k: int, gates: Tensor | None, phrases: list[Phrases]) -> None:
        """Keep what exit k (0-based) showed of each row that reached it."""
        for place, row in enumerate(self.rows):
            if gates is not None:
                self._gates[row][k] = gates[place].numpy()
            self._phrases[row][k] = phrases[place]

    def leave(
        self, leaving: Tensor, k: int, vectors: Tensor, state: Tensor | None, pooled: Mapping[int, Tensor]
    ) -> None:
        """Take out the rows that leave at exit k (0-based).

        Args: state: what the tower passes along there; None where nothing comes after.  pooled: at the exits up to k.
        """
        found = vectors.float().cpu().numpy()
        if state is not None:
            which = leaving.nonzero()[:, 0].to(state.device, non_blocking=True)
            states = bring_later(state.index_select(0, which))
            features = {j: bring_later(f.index_select(0, which)) for j, f in pooled.items()}
            for place, number in enumerate(leaving.nonzero()[:, 0].tolist()):
                kept = {j: f[place] for j, f in features.items()}
                self._maps[self.rows[number]] = FeatureMap(states[place], kept)
        for place, goes in enumerate(leaving.tolist()):
            if goes:
                self._left[self.rows[place]] = (k, found[place].copy())
        self.rows = [row for row, goes in zip(self.rows, leaving.tolist(), strict=True) if not goes]

    def encoding(self, row: int, gated: int, macs: Sequence[int], budget: float) -> Encoding:
        """What became of one row.

        Args: gated: how many exits have a gate.  macs: of a photo that leaves at each exit.
        """
        k, vector = self._left[row]
        gates = np.full((min(k + 1, gated), self._budgets), np.nan, np.float32)
        for asked, values in self._gates[row].items():
            gates[asked] = values
        phrases = tuple(self._phrases[row].get(exit, ()) for exit in range(k + 1))
        milliseconds = self._seconds[row] * 1000
        return Encoding(vector, k + 1, gates, phrases, macs[k], milliseconds, budget, self._maps.get(row))

    def deeper_runs(self, macs: int) -> list[DeeperRun]:
        """What became of all rows, sent to one exit for so many MACs each."""
        return [self._deeper_run(row, macs) for row in range(len(self._seconds))]

    def _deeper_run(self, row: int, macs: int) -> DeeperRun:
        k, vector = self._left[row]
        phrases = self._phrases[row].get(k, ())
        return DeeperRun(vector, k + 1, phrases, macs, self._seconds[row] * 1000, self._maps.get(row))
