"""Long work beside the page: in a thread of its own, in line, told of as it goes, and stopped when somebody asks."""

import secrets
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Condition, Event, Lock, Thread
from typing import Generic, TypeVar

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


@dataclass(frozen=True)
class Listing:
    """What was sent is looked through; to open an archive takes a while."""

    found: int  # photos so far


class Line:
    """Long work of many visitors: so much of it at once, and who came first is served first."""

    def __init__(self, at_once: int = 2) -> None:
        """`at_once`: two, so that a few photos need not wait for a thousand of somebody else."""
        self._free = at_once
        self._waiting: list[object] = []
        self._changed = Condition()

    @contextmanager
    def turn(self, tell: Callable[[Waiting], object]) -> Iterator[None]:
        """Work when it is one's turn.

        Args: tell: told the place in line every second; what it raises gives the place up.
        """
        me = object()
        with self._changed:
            self._waiting.append(me)
        try:
            while (place := self._place(me)) is not None:
                tell(Waiting(place))
        except BaseException:
            with self._changed:
                self._waiting.remove(me)
                self._changed.notify_all()
            raise
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()

    def _place(self, me: object) -> int | None:
        """The place in line at the latest after a second; None: it is one's turn, and the place is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._free > 0 and self._waiting[0] is me, SECOND)
            if not self._free or self._waiting[0] is not me:
                return self._waiting.index(me) + 1
            self._waiting.remove(me)
            self._free -= 1
            self._changed.notify_all()  # there may be room for the next one, too
            return None


class Works(Generic[T]):
    """What is being done at the moment, under names that cannot be guessed."""

    def __init__(self) -> None:
        self._stops: dict[str, Event] = {}
        self._lock = Lock()

    def begin(self, work: Callable[[Callable[[T], None]], T]) -> tuple[str, Generator[T, None, None]]:
        """Start some work.

        Args:
            work: takes a function that it tells its events to, and returns the last one.
        Returns: its name, and its events; they raise what the work raises, Stopped among it. It goes on to its end
            when nobody takes them any more.
        """
        name, stop, left = secrets.token_urlsafe(9), Event(), Event()
        events: SimpleQueue[T | BaseException | None] = SimpleQueue()

        def tell(event: T) -> None:
            if not left.is_set():
                events.put(event)
            if stop.is_set():
                raise Stopped

        def run() -> None:
            last: list[T | BaseException | None]
            try:
                last = [work(tell), None]
            except Exception as error:  # raised again where the visitor is
                last = [error]
            except BaseException as error:  # SystemExit would end the thread of who waits
                last = [Died(f"The work ended early ({type(error).__name__}); try again.")]
            with self._lock:
                self._stops.pop(name)
            for event in last:
                events.put(event)

        with self._lock:
            self._stops[name] = stop
        try:
            Thread(target=run, name="work", daemon=True).start()
        except BaseException:  # too many threads: nothing goes on then
            self._stops.pop(name)
            raise
        return name, _taken(events, left)

    def goes_on(self, name: str) -> bool:
        """Whether some work is not over yet."""
        with self._lock:
            return name in self._stops

    def stop(self, name: str) -> None:
        """Ask some work to stop after its next event; one that is over already does not mind."""
        with self._lock:
            stop = self._stops.get(name)
        if stop is not None:
            stop.set()


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
