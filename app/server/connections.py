"""Connections that cost nothing to open: how long they may say nothing, and how many there may be.

Bounded are the time for a request's head, the pace of its body and the patience with who does not read an answer. A
request that has arrived whole may take as long as it likes: event streams, heartbeats and long uploads go on.
"""

import asyncio
import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD = 15.0  # seconds until a request's head is here, from the connection's first moment or the last answer on
WINDOW = 20.0  # seconds in which a body has to come nearer
SLOWEST = 256  # bytes a second, over a window
UNREAD = 60.0  # seconds that an answer waits for who asked
LOOK = 2.0  # seconds between two looks at a connection
MOST = 2048  # connections
RESERVED = 0.15  # of the descriptors that are left: for files, databases and decoders
MINUTE = 60.0
FULL = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\nRetry-After: 5\r\n\r\n"


@dataclass
class Pace:
    """What a connection has done lately."""

    since: float  # when its present state began, or the present window of a body
    arrived: int = 0  # bytes since then


def is_late(state: Any, paused: bool, unread: bool, pace: Pace, now: float) -> bool:
    """Whether a connection has used up its time.

    Args:
        state: what h11 says that the other side does.
        paused: we read no more of its body for now.
        unread: our answer waits for it.
    """
    seconds = now - pace.since
    if unread:
        return seconds > UNREAD
    if state is h11.IDLE:
        return seconds > HEAD
    if state is h11.SEND_BODY and not paused:
        return seconds > WINDOW and pace.arrived < SLOWEST * seconds
    return False


@dataclass
class ConnectionLimit:
    """How many connections one server has, and which of them wait."""

    room: int
    waiting: dict["Connection", None] = field(default_factory=dict)  # for a request's head, longest first
    _said: float = float("-inf")

    def full(self, count: int) -> None:
        """Somebody was turned away: say so, once a minute."""
        now = time.monotonic()
        if now - self._said >= MINUTE:
            self._said = now
            sys.stderr.write(f"The house is full: {count} connections are open, and more are turned away.\n")


class Connection(H11Protocol):
    """One connection, with limits."""

    def __init__(self, limit: ConnectionLimit, **given: Any) -> None:
        super().__init__(**given)
        self._limit, self._pace = limit, Pace(time.monotonic())
        self._state: tuple[object, bool] | None = (h11.IDLE, False)
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it in, or turn it away; who has been waiting longest without asking for anything makes room."""
        super().connection_made(transport)
        if len(self.connections) > self._limit.room:
            self._limit.full(len(self.connections) - 1)
            longest = next(iter(self._limit.waiting), None)
            if longest is None:
                transport.write(FULL)
                self.connections.discard(self)
                transport.close()
                return
            longest.end()
        self._limit.waiting[self] = None
        self._watch = self.loop.call_later(LOOK, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._limit.waiting.pop(self, None)
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes."""
        self._pace.arrived += len(data)
        super().data_received(data)
        self._note_state()

    def on_response_complete(self) -> None:
        """It waits for the next request."""
        super().on_response_complete()
        self._note_state()

    def resume_writing(self) -> None:
        """Some of an answer was taken: who reads slowly reads."""
        super().resume_writing()
        self._state = None
        self._note_state()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, and end; where an answer has begun already, only end."""
        with suppress(h11.LocalProtocolError):
            super().send_400_response(msg)
        self.transport.close()
        if self.cycle is not None:  # what is being done for it is for nobody
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def end(self) -> None:
        """Close it now."""
        self._limit.waiting.pop(self, None)
        self.connections.discard(self)
        self.transport.abort()

    def _note_state(self) -> None:
        state = (self.conn.their_state, self.flow.write_paused)
        if state == self._state:
            return
        self._state, self._pace = state, Pace(time.monotonic())
        if state[0] is h11.IDLE:
            self._limit.waiting[self] = None
        else:
            self._limit.waiting.pop(self, None)

    def _look(self) -> None:
        if self.transport.is_closing():
            return
        self._note_state()
        now, state = time.monotonic(), self.conn.their_state
        if is_late(state, self.flow.read_paused, self.flow.write_paused, self._pace, now):
            self.end()
            return
        if state is h11.SEND_BODY and (self.flow.read_paused or now - self._pace.since > WINDOW):
            self._pace = Pace(now)
        self._watch = self.loop.call_later(LOOK, self._look)


def room() -> int:
    """How many connections there is room for among the descriptors of this process, of which it asks for more."""
    try:
        import resource
    except ImportError:  # Windows
        return MOST
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MOST if hard == resource.RLIM_INFINITY else min(hard, 2 * MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    if soft == resource.RLIM_INFINITY:
        return MOST
    left = soft - _open_now()
    return max(4, min(MOST, int(left * (1 - RESERVED)) - 8))


def _open_now() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 64
