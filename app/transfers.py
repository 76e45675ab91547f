"""What comes in from each address: bounded by the hour and by the day, before a byte of it lies on our disk."""

import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from ipaddress import IPv6Address, ip_address

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

HOUR, DAY = 3600.0, 86_400.0  # seconds
LIMITS = ((HOUR, 2 * 2**30), (DAY, 8 * 2**30))  # bytes in so many seconds; a visitor may keep 1 GB
SLOTS = 60  # that a stretch of time is counted in: what is kept of an address stays small however often it asks


class Window:
    """The bytes that came in the last so many seconds, to a sixtieth of them."""

    def __init__(self, seconds: float) -> None:
        self._slot = seconds / SLOTS
        self._slots: deque[tuple[int, int]] = deque()  # number of the slot, and its bytes
        self._total = 0

    def total(self, now: float) -> int:
        """All that still count."""
        while self._slots and self._slots[0][0] <= now // self._slot - SLOTS:
            self._total -= self._slots.popleft()[1]
        return self._total

    def add(self, now: float, size: int) -> None:
        """Count some more."""
        slot = int(now // self._slot)
        before = self._slots.pop()[1] if self._slots and self._slots[-1][0] == slot else 0
        self._slots.append((slot, before + size))
        self._total += size


class Transfers:
    """Stands before the page and turns away what is too much. Tokens are free to have, so addresses are counted."""

    def __init__(
        self,
        app: ASGIApp,
        limits: Sequence[tuple[float, int]] = LIMITS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app, self._limits, self._clock = app, limits, clock
        # By address, who sent something last at the end: when that was, and a window for each limit.
        self._sent: dict[str, tuple[float, list[Window]]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        refusal = self._refusal(scope) if scope["type"] == "http" and scope["method"] == "POST" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        size = Headers(scope=scope).get("content-length", "")
        if not size.isdecimal():  # the server holds a request to the length that it declares
            return PlainTextResponse("Say how long it is (Content-Length).", 411)
        now, address = self._clock(), address_of(scope)
        self._forget(now)
        _, sent = self._sent.get(address, (now, self._windows()))
        for window, (seconds, most) in zip(sent, self._limits, strict=True):
            if window.total(now) + int(size) > most:
                lately = f"the last {seconds / HOUR:.0f} h"
                return PlainTextResponse(f"Over {most >> 20} MB came from your address in {lately}; wait a while.", 429)
        for window in sent:
            window.add(now, int(size))
        self._sent.pop(address, None)
        self._sent[address] = now, sent
        return None

    def _windows(self) -> list[Window]:
        return [Window(seconds) for seconds, _ in self._limits]

    def _forget(self, now: float) -> None:
        """Drop the addresses that have not sent anything lately."""
        longest = max(seconds for seconds, _ in self._limits)
        while self._sent and now - next(iter(self._sent.values()))[0] >= longest:
            del self._sent[next(iter(self._sent))]


def address_of(scope: Scope) -> str:
    """Where a request comes from; of an IPv6 address the network, of which one visitor has all.

    A Space's proxy writes it down last. Elsewhere that header is anybody's to write, and the server reads it where
    FORWARDED_ALLOW_IPS says that it comes from a proxy.
    """
    said = scope["client"][0] if scope.get("client") else ""
    if "SPACE_ID" in os.environ:
        said = Headers(scope=scope).get("x-forwarded-for", said).rpartition(",")[2].strip()
    try:
        found = ip_address(said)
    except ValueError:
        return ""
    return str(IPv6Address(int(found) >> 64 << 64)) if isinstance(found, IPv6Address) else str(found)
