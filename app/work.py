"""Long work beside the page: in a thread of its own, told of as it goes, and stopped when somebody asks."""

import secrets
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import Generic, TypeVar

T = TypeVar("T")


class Stopped(Exception):
    """Somebody asked for it; what was finished by then stays."""


class Works(Generic[T]):
    """What is being done at the moment, under names that cannot be guessed."""

    def __init__(self) -> None:
        self._stops: dict[str, Event] = {}
        self._lock = Lock()

    def begin(self, work: Callable[[Callable[[T], None]], T]) -> tuple[str, Iterator[T]]:
        """Start some work.

        Args:
            work: takes a function that it tells its events to, and returns the last one.
        Returns: its name, and its events; they raise what the work raises, Stopped among it. It goes on to its end
            when nobody takes them any more.
        """
        name, stop = secrets.token_urlsafe(9), Event()
        events: SimpleQueue[T | BaseException | None] = SimpleQueue()

        def tell(event: T) -> None:
            events.put(event)
            if stop.is_set():
                raise Stopped

        def run() -> None:
            try:
                events.put(work(tell))
                events.put(None)
            except Exception as error:  # raised again where the visitor is
                events.put(error)
            finally:
                with self._lock:
                    self._stops.pop(name, None)

        with self._lock:
            self._stops[name] = stop
        Thread(target=run, name="work", daemon=True).start()
        return name, _taken(events)

    def stop(self, name: str | None) -> None:
        """Ask some work to stop after its next event; one that is over already does not mind."""
        with self._lock:
            stop = self._stops.get(name) if name else None
        if stop is not None:
            stop.set()


def _taken(events: "SimpleQueue[T | BaseException | None]") -> Iterator[T]:
    while (event := events.get()) is not None:
        if isinstance(event, BaseException):
            raise event
        yield event
