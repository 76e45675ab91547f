"""What the server tells its keeper: a JSON line for each thing it did, and how long things take. No personal data.

A line names what was done, how long it took and counts: no query, no file name, no token, no address of a visitor.
"""

import json
import time
import traceback
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any, TextIO

import numpy as np

REMEMBERED = 1000  # durations of each kind of event that the figures are made of


class Lossy:
    """A stream that loses what it cannot write: a page whose log is on a full disk, or read by nobody, goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write as much as there is room for."""
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Send on what was written."""
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class EventLog:
    """The durations of what was done lately; safe to use from many threads."""

    def __init__(self, lines: TextIO | Lossy | None = None) -> None:
        """`lines` takes the JSON lines, where they are wanted."""
        self._lines = lines
        self._began = time.monotonic()
        self._seconds: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=REMEMBERED))
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._lock = Lock()

    @contextmanager
    def timed(self, event: str) -> Iterator[dict[str, int]]:
        """Time what is done inside; the counts that it puts in the dictionary stand in the line."""
        began, counts, failed = time.perf_counter(), dict[str, int](), False
        try:
            yield counts
        except GeneratorExit:
            raise
        except BaseException:
            failed = True
            raise
        finally:
            self._note(event, time.perf_counter() - began, counts, failed)

    def figures(self) -> dict[str, object]:
        """Seconds up, and for each kind of event how many there were and how long the last ones took."""
        with self._lock:
            events = {
                event: {"count": self._counts[event], "p50_ms": _ms(seconds, 50), "p95_ms": _ms(seconds, 95)}
                for event, seconds in self._seconds.items()
            }
        return {"seconds_up": round(time.monotonic() - self._began), "events": events}

    def _note(self, event: str, seconds: float, counts: dict[str, int], failed: bool) -> None:
        with self._lock:
            self._seconds[event].append(seconds)
            self._counts[event] += 1
            if self._lines is not None:
                line = {"at": round(time.time(), 3), "event": event, "ms": round(seconds * 1000, 1), **counts}
                self._lines.write(json.dumps({**line, "failed": True} if failed else line) + "\n")
                self._lines.flush()


def where(error: BaseException) -> str:
    """The kind of an error that nobody foresaw, and where it was raised; its message may repeat what a visitor sent."""
    frames = "".join(traceback.format_tb(error.__traceback__, -3))
    return f"Traceback (most recent call last):\n{frames}{type(error).__qualname__}\n"


def _ms(seconds: "deque[float]", percentile: int) -> float:
    return round(float(np.percentile(seconds, percentile)) * 1000, 1)
