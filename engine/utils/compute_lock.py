"""Priority lock: one thread computes at a time, and short requests go before batch encoding.

Two computations at once take longer than one after the other: each asks for all cores. A claim is due at the moment it
came plus the patience of its kind of work, and the earliest one is next. Long work yields to shorter kinds between two
stages; once its own claim is due it goes on, so many short requests slow it down and never stop it.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition, local

# Patience in seconds: a text is encoded in a hundredth of one, some photos in a few tenths, a batch in about one.
# A race is nobody's answer: it goes last.
ANSWER, LOOK_AGAIN, ENCODE, RACE = 0.0, 0.2, 0.5, 2.0


@dataclass(eq=False)
class _Waiter:
    due: float  # monotonic seconds
    patience: float


class PriorityLock:
    """A lock by due times; safe to use from many threads, and within a piece of work that holds it already."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Forget holders and claims: at first, and in a forked process, which has none of the other threads."""
        self._changed = Condition()
        self._waiting: list[_Waiter] = []
        self._taken = False
        self._mine = local()

    @contextmanager
    def held(self, patience: float) -> Iterator[None]:
        """Hold the lock while computing; wait for it where another thread has it."""
        if self._own is not None:  # a part of work that holds the lock
            yield
            return
        self._take(patience)
        self._mine.patience, self._mine.away = patience, 0.0
        try:
            yield
        finally:
            self._mine.patience = None
            self._leave()

    def give_way(self) -> None:
        """Let claims of less patience go first; called between two stages, and free where nobody waits."""
        patience = self._own
        if patience is None or not any(claim.patience < patience for claim in self._waiting):
            return
        began = time.monotonic()
        self._leave()
        self._take(patience)
        self._mine.away += time.monotonic() - began

    def away(self) -> float:
        """Seconds in which others went first since this thread began to hold the lock."""
        return getattr(self._mine, "away", 0.0)

    @property
    def _own(self) -> float | None:
        return getattr(self._mine, "patience", None)

    def _take(self, patience: float) -> None:
        claim = _Waiter(time.monotonic() + patience, patience)
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


COMPUTE = PriorityLock()  # of this process: its cores are what is shared
if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=COMPUTE.forget)
