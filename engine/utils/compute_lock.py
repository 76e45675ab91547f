"""One model and a few cores for many: who waits for an answer goes first, and long work lets them pass between stages.

Two computations at once take longer than one after the other: each asks for all cores. So one thread computes at a
time, and the next one is the one with the earliest claim: the moment it came, and the patience that its kind of work is
expected to have. Long work gives way to any shorter kind at each stage, and after its patience has its turn again, so
that a page full of questions slows it down and never stops it.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition, local

# Patience in seconds: a text is encoded in a hundredth of one, some photos in a few tenths, a batch in about one.
ANSWER, LOOK_AGAIN, ENCODE = 0.0, 0.2, 0.5


@dataclass(eq=False)
class _Claim:
    due: float  # monotonic seconds
    patience: float


class Turns:
    """Whose turn it is to compute; safe to use from many threads, and within a turn of one's own."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Nobody computes or waits: at first, and in a process that was forked off, where other threads are not."""
        self._changed = Condition()
        self._waiting: list[_Claim] = []
        self._taken = False
        self._mine = local()

    @contextmanager
    def turn(self, patience: float) -> Iterator[None]:
        """Compute when it is one's turn."""
        if self._own is not None:  # a part of what has its turn already
            yield
            return
        self._take(patience)
        self._mine.patience = patience
        try:
            yield
        finally:
            self._mine.patience = None
            self._leave()

    def give_way(self) -> None:
        """Between two stages: let those with less patience go first. Costs nothing where nobody waits."""
        patience = self._own
        if patience is None or not any(claim.patience < patience for claim in self._waiting):
            return
        self._leave()
        self._take(patience)

    @property
    def _own(self) -> float | None:
        return getattr(self._mine, "patience", None)

    def _take(self, patience: float) -> None:
        claim = _Claim(time.monotonic() + patience, patience)
        with self._changed:
            self._waiting.append(claim)
            while self._taken or claim is not min(self._waiting, key=lambda other: other.due):
                self._changed.wait()
            self._waiting.remove(claim)
            self._taken = True

    def _leave(self) -> None:
        with self._changed:
            self._taken = False
            self._changed.notify_all()


TURNS = Turns()  # of this process: its cores are what is shared
if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=TURNS.forget)
