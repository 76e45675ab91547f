"""Long work beside the page: in a thread of its own, in line, told of as it goes, and stopped when somebody asks."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Condition, Event, Thread
from typing import TypeVar

from engine.gallery import EngineError

T = TypeVar("T")
SECOND = 1.0  # between two words to those who wait


class Died(EngineError):
    """Some work ended with neither a result nor an ordinary error."""


class Stopped(Exception):
    """Somebody asked for it; what was finished by then stays."""


@dataclass(frozen=True)
class Waiting:
    """Others come first."""

    place: int  # in line; 1 is the next


class Listing:
    """What was sent is looked through; to open an archive takes a while."""


@dataclass(eq=False)
class _Claim:
    """To a place for long work."""

    who: str  # whose it is; empty: nobody's in particular
    held_since: float | None = None  # monotonic seconds; None: it waits


class Line:
    """Long work of many visitors: so much of it at once, who came first is served first, and everybody gets on.

    Who has no place goes before who has one already, and work that has had its share lets others go first.
    """

    def __init__(self, at_once: int = 2, share: float = 20.0) -> None:
        """Args: at_once: two, so that a few photos need not wait for a thousand of somebody else. share: seconds."""
        self._places, self._share = at_once, share
        self._waiting: list[_Claim] = []
        self._working: list[_Claim] = []
        self._changed = Condition()

    @contextmanager
    def turn(self, tell: Callable[[Waiting], object], who: str = "") -> Iterator[Callable[[], None]]:
        """Work when it is one's turn.

        Args: tell: told the place in line every second; what it raises gives the place up.  who: whose work it is.
        Yields: what the work calls now and then, between two of its steps; it waits there while it is others' turn.
        """
        claim = _Claim(who)
        try:
            self._take(claim, tell)
            yield lambda: self._let_pass(claim, tell)
        finally:
            self._leave(claim)

    def _take(self, claim: _Claim, tell: Callable[[Waiting], object]) -> None:
        with self._changed:
            self._waiting.append(claim)
        while (place := self._place(claim)) is not None:
            tell(Waiting(place))

    def _let_pass(self, claim: _Claim, tell: Callable[[Waiting], object]) -> None:
        with self._changed:
            if not self._waiting or claim.held_since is None or time.monotonic() - claim.held_since < self._share:
                return
        self._leave(claim)
        self._take(claim, tell)

    def _leave(self, claim: _Claim) -> None:
        with self._changed:
            for claims in (self._waiting, self._working):
                if claim in claims:
                    claims.remove(claim)
            claim.held_since = None
            self._changed.notify_all()

    def _next(self) -> _Claim | None:
        """Whose turn it is, where there is a free place."""
        if len(self._working) >= self._places or not self._waiting:
            return None
        served = {claim.who for claim in self._working} - {""}
        return next((claim for claim in self._waiting if claim.who not in served), self._waiting[0])

    def _place(self, claim: _Claim) -> int | None:
        """The place in line at the latest after a second; None: it is one's turn, and the place is taken."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._next() is claim, SECOND):
                return self._waiting.index(claim) + 1
            self._waiting.remove(claim)
            self._working.append(claim)
            claim.held_since = time.monotonic()
            self._changed.notify_all()  # there may be room for the next one, too
            return None


@dataclass(frozen=True, eq=False)
class Running:
    """Some work that was begun."""

    stop: Event = field(default_factory=Event)  # set where it is asked to stop after its next event
    over: Event = field(default_factory=Event)


def start_work(work: Callable[[Callable[[T], None]], T]) -> tuple[Running, Generator[T, None, None]]:
    """Start some work.

    Args:
        work: takes a function that it tells its events to, and returns the last one.
    Returns: what stops it, and its events; they raise what the work raises, Stopped among it. It goes on to its end
        when nobody takes them any more.
    """
    running, left = Running(), Event()
    events: SimpleQueue[T | BaseException | None] = SimpleQueue()

    def tell(event: T) -> None:
        if not left.is_set():
            events.put(event)
        if running.stop.is_set():
            raise Stopped

    def run() -> None:
        last: list[T | BaseException | None]
        try:
            last = [work(tell), None]
        except Exception as error:  # raised again where the visitor is
            last = [error]
        except BaseException as error:  # SystemExit would end the thread of who waits
            last = [Died(f"The work ended early ({type(error).__name__}); try again.")]
        running.over.set()
        for event in last:
            events.put(event)

    Thread(target=copy_context().run, args=(run,), name="work", daemon=True).start()
    return running, _taken(events, left)


def _taken(events: "SimpleQueue[T | BaseException | None]", left: Event) -> Generator[T, None, None]:
    try:
        while (event := events.get()) is not None:
            if isinstance(event, BaseException):
                raise event
            yield event
    finally:  # what is told from here on is kept for nobody
        left.set()
        while not events.empty():
            events.get()
