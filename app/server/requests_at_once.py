"""At most 200 requests at once from one address, event streams among them."""

from collections import Counter

from starlette.types import ASGIApp, Receive, Scope, Send

from app.server.refusals import Refusal
from app.server.transfers import address_of

MOST = 200  # an open page holds one while it waits for an answer; an office that shares one address has room


class RequestsAtOnce:
    """An app that answers so many requests of one address at once."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or turn it away."""
        address = address_of(scope)
        if self._open[address] >= MOST:
            await Refusal(429, "Your address has too many requests open; close some pages.")(scope, receive, send)
            return
        self._open[address] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._open[address] -= 1
            if not self._open[address]:
                del self._open[address]
