"""A measured race: the same photos through the full encoder and through the one that stops early, in one run."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from engine.utils.compute_lock import COMPUTE, RACE

if TYPE_CHECKING:
    from engine.exits.batch import Encoding
    from engine.exits.encoder import Encoder

BATCH = 16
ROUNDS = 3  # each batch runs so often each way, and its median time counts: another program's burst does not
MOST = 256  # photos that race: some fifteen seconds each way on a small CPU


@dataclass(frozen=True)
class Race:
    """What was measured; decoding is left out on both sides, for both need it."""

    at: float  # seconds since the epoch
    photos: int
    budget: float
    full_per_second: float
    early_per_second: float
    macs_share: float  # of the early runs over the full ones

    @property
    def speedup(self) -> float:
        """How many times faster stopping early was."""
        return self.early_per_second / self.full_per_second


@dataclass(frozen=True)
class Lap:
    """One batch has run both ways as often as it must."""

    done: int
    total: int
    full_per_second: float  # so far
    early_per_second: float


def race(
    encoder: "Encoder",
    batches: Iterator[np.ndarray],
    total: int,
    budget: float,
    on_lap: Callable[[Lap], object] | None = None,
) -> "tuple[Race, list[Encoding]]":
    """Race over photos; what `on_lap` raises stops it.

    Args:
        batches: (B, 3, S, S) uint8 each, at most BATCH photos.
        total: photos in all batches, at least one.
    Returns: the measurement, and the photos' encodings at full depth.
    """
    found: list[Encoding] = []
    full = early = 0.0
    macs = done = 0
    for pixels in batches:
        if not done:  # a first run is slower: memory is asked for, kernels are chosen
            encoder.deepen(pixels, encoder.exits)
            encoder.encode(pixels, budget)
        times: dict[str, list[float]] = {"full": [], "early": []}
        for turn in range(ROUNDS):
            for run in ("full", "early") if turn % 2 else ("early", "full"):
                with COMPUTE.held(RACE):  # then the clock starts, and it stands still while others go first
                    began = time.perf_counter()
                    if run == "full":
                        deep = encoder.deepen(pixels, encoder.exits)
                    else:
                        encodings = encoder.encode(pixels, budget)
                    times[run].append(time.perf_counter() - began - COMPUTE.away())
        found += deep
        full += median(times["full"])
        early += median(times["early"])
        macs += sum(encoding.macs for encoding in encodings)
        done += len(pixels)
        if on_lap is not None:
            on_lap(Lap(done, total, done / full, done / early))
    measured = Race(time.time(), done, budget, done / full, done / early, macs / (done * encoder.full_macs))
    return measured, found
