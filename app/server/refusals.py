"""Requests that are turned away before the page sees them, each with one sentence."""

from collections.abc import Callable, Sequence

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

# Looks at a request's head; returns the answer that turns it away, or None.
Check = Callable[[Scope], "Refusal | None"]


class Refusal(PlainTextResponse):
    """One sentence, after which the connection ends: what is left of the request is not read."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence, status, {"Connection": "close"})


class Checked:
    """An app whose requests pass checks first."""

    def __init__(self, app: ASGIApp, checks: Sequence[Check]) -> None:
        self._app, self._checks = app, checks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or turn it away."""
        refusals = (check(scope) for check in self._checks if scope["type"] == "http")
        await next(filter(None, refusals), self._app)(scope, receive, send)
