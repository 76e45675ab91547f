"""One batch on its way through the encoder: which rows are still in, what each has shown, and what it cost."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import numpy as np
from torch import Tensor

from engine.clip.device import bring_later
from engine.exits.feature_map import pack
from engine.exits.phrases import NearestTexts
from engine.utils.compute_lock import COMPUTE

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Encoding:
    """What the encoder made of one photo, and what that cost."""

    vector: np.ndarray  # (D,) float32, unit length
    exit: int  # 1..K, where it left
    affinity: float  # of the vector to the text bank
    gates: np.ndarray  # (R, G) float32: at each gated exit that this run came to, the probability of leaving at each
    # budget of the grid
    nearest_texts: tuple[NearestTexts, ...]  # for each exit that this run came to
    macs: int  # spent, readouts and gates included
    milliseconds: float  # for each stage it ran, the stage's time over the rows in it, summed
    budget: float | None  # that it left by; None: it was sent to its exit
    map: Tensor | None  # feature map that it left with; None at the end of a pass, where nothing is left to go on from

    @property
    def start(self) -> int:
        """The exit that this run went on from; 0 for the picture."""
        return self.exit - len(self.nearest_texts)

    def packed_map(self) -> bytes | None:
        """The feature map as it is kept."""
        return pack(self.map) if self.map is not None else None


class BatchRun:
    """The bookkeeping of one batch: which rows are still in, and what each has shown and cost."""

    def __init__(self, many: int) -> None:
        self.rows = list(range(many))
        self._seconds = [0.0] * many
        self._gates: list[list[np.ndarray]] = [[] for _ in range(many)]
        self._nearest_texts: list[list[NearestTexts]] = [[] for _ in range(many)]
        self._left: dict[int, tuple[int, np.ndarray, float]] = {}
        self._maps: dict[int, Tensor] = {}

    def timed(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do one piece of work, shorter work of others first, and share its time among the rows that are in."""
        COMPUTE.give_way()
        began = time.perf_counter()
        done = work(*args, **kwargs)
        share = (time.perf_counter() - began) / max(1, len(self.rows))
        for row in self.rows:
            self._seconds[row] += share
        return done

    def note(self, gates: Tensor | None, nearest_texts: Sequence[NearestTexts]) -> None:
        """Keep what an exit showed of each row that reached it; the last one has no gate."""
        for place, row in enumerate(self.rows):
            if gates is not None:
                self._gates[row].append(gates[place].numpy())
            self._nearest_texts[row].append(nearest_texts[place])

    def leave(self, leaving: Tensor, k: int, vectors: Tensor, affinity: Tensor, state: Tensor | None) -> None:
        """Take out the rows that leave at exit k (0-based).

        Args: leaving: (B,) bool.  state: what the tower passes along there; None where nothing comes after.
        """
        found, fits = vectors.float().cpu().numpy(), affinity.tolist()
        if state is not None:
            gone = leaving.nonzero()[:, 0]
            states = bring_later(state.index_select(0, gone.to(state.device, non_blocking=True)))
            for place, left in enumerate(gone.tolist()):
                self._maps[self.rows[left]] = states[place]
        for place, goes in enumerate(leaving.tolist()):
            if goes:
                self._left[self.rows[place]] = (k, found[place].copy(), fits[place])
        self.rows = [row for row, goes in zip(self.rows, leaving.tolist(), strict=True) if not goes]

    def encodings(self, macs: Sequence[int], budgets: int, budget: float | None) -> list[Encoding]:
        """What became of all rows.

        Args: macs: (K,) that this run spent on a photo which it left at each exit.  budgets: on the grid.
        """
        found = []
        for row, seconds in enumerate(self._seconds):
            k, vector, fits = self._left[row]
            gates = np.array(self._gates[row], np.float32).reshape(-1, budgets)
            nearest, map_ = tuple(self._nearest_texts[row]), self._maps.get(row)
            found.append(Encoding(vector, k + 1, fits, gates, nearest, macs[k], seconds * 1000, budget, map_))
        return found
