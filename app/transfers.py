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


class Transfers:
    """Stands before the page and turns away what is too much. Tokens are free to have, so addresses are counted."""

    def __init__(
        self,
        app: ASGIApp,
        limits: Sequence[tuple[float, int]] = LIMITS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app, self._limits, self._clock = app, limits, clock
        self._sent: dict[str, deque[tuple[float, int]]] = {}  # by address: when, and how many bytes

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
        sent = self._sent.setdefault(address, deque())
        for seconds, most in self._limits:
            if sum(bytes for at, bytes in sent if at > now - seconds) + int(size) > most:
                lately = f"the last {seconds / HOUR:.0f} h"
                return PlainTextResponse(f"Over {most >> 20} MB came from your address in {lately}; wait a while.", 429)
        sent.append((now, int(size)))
        return None

    def _forget(self, now: float) -> None:
        longest = max(seconds for seconds, _ in self._limits)
        for address, sent in list(self._sent.items()):
            while sent and sent[0][0] <= now - longest:
                sent.popleft()
            if not sent:
                del self._sent[address]


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
