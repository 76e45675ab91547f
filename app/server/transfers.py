"""What comes in from each address: bounded by the hour and by the day, as it arrives."""

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from ipaddress import IPv6Address, ip_address

from cachetools import TTLCache
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.server.refusals import Refusal

HOUR, DAY = 3600.0, 86_400.0  # seconds
LIMITS = ((HOUR, 2 * 2**30), (DAY, 8 * 2**30))  # bytes in so many seconds; a visitor may keep 1 GB
ADDRESS = "tgem.address"  # where the scope of a request keeps whose it is
SLOTS = 60  # that a stretch of time is counted in: what is kept of an address stays small however often it asks


class Window:
    """The bytes that came in the last so many seconds, to a sixtieth of them."""

    def __init__(self, seconds: float) -> None:
        self._slot = seconds / SLOTS
        self._slots: Counter[float] = Counter()  # bytes, by the number of the slot

    def total(self, now: float) -> int:
        """All that still count."""
        over = now // self._slot - SLOTS
        self._slots = Counter({slot: size for slot, size in self._slots.items() if slot > over})
        return self._slots.total()

    def add(self, now: float, size: int) -> None:
        """Count some more."""
        self._slots[now // self._slot] += size


class Transfers:
    """Stands before the page and turns away what is too much. Tokens are free to have, so addresses are counted.

    What arrived counts, never what was announced: an announcement costs its sender nothing.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: Sequence[tuple[float, int]] = LIMITS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app, self._limits, self._clock = app, limits, clock
        # By address, as long as anything that it has sent counts: a window for each limit.
        longest = max(seconds for seconds, _ in limits)
        self._sent: TTLCache[str, list[Window]] = TTLCache(float("inf"), longest, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        address, began, refused = address_of(scope), False, False

        async def counted() -> Message:
            nonlocal refused
            message = await receive()
            size = len(message.get("body", b""))
            refusal = self._over(address, size) if size else None
            if refusal is None:
                if size:
                    self._count(address, size)
                return message
            if not began and not refused:
                refused = True
                await refusal(scope, receive, send)
            return {"type": "http.disconnect"}

        async def watched(message: Message) -> None:
            nonlocal began
            began = True
            if not refused:
                await send(message)

        refusal = self._over(address, int(Headers(scope=scope).get("content-length", 0)))
        try:
            await (refusal(scope, receive, send) if refusal else self._app(scope, counted, watched))
        except ClientDisconnect:
            if not refused:
                raise

    def _over(self, address: str, size: int) -> Refusal | None:
        """The answer to whom so many bytes more would be too much."""
        now = self._clock()
        for window, (seconds, most) in zip(self._windows(address), self._limits, strict=True):
            if window.total(now) + size > most:
                lately = f"the last {seconds / HOUR:.0f} h"
                return Refusal(429, f"Over {most >> 20} MB came from your address in {lately}; wait a while.")
        return None

    def _count(self, address: str, size: int) -> None:
        windows = self._windows(address)
        for window in windows:
            window.add(self._clock(), size)
        self._sent[address] = windows

    def _windows(self, address: str) -> list[Window]:
        return self._sent.get(address) or [Window(seconds) for seconds, _ in self._limits]


def address_of(scope: Scope) -> str:
    """Where a request comes from, found once; of an IPv6 address the network, of which one visitor has all.

    A Space's proxy writes it down last. Elsewhere that header is anybody's to write, and the server reads it where
    FORWARDED_ALLOW_IPS says that it comes from a proxy.
    """
    if ADDRESS not in scope:
        scope[ADDRESS] = _address(scope)
    return str(scope[ADDRESS])


def _address(scope: Scope) -> str:
    said = scope["client"][0] if scope.get("client") else ""
    if "SPACE_ID" in os.environ:
        said = Headers(scope=scope).get("x-forwarded-for", said).rpartition(",")[2].strip()
    try:
        found = ip_address(said)
    except ValueError:
        return ""
    return str(IPv6Address(int(found) >> 64 << 64)) if isinstance(found, IPv6Address) else str(found)
