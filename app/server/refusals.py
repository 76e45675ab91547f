"""Requests that are turned away before the page sees them, each with one sentence."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SILENT, LINGER = 1.0, 30.0  # seconds without a byte, and in all, after which what is left of a request is not read

# Looks at a request's head; returns the answer that turns it away, or None.
Check = Callable[[Scope], "Refusal | None"]


class Refusal(PlainTextResponse):
    """One sentence, after which the connection ends.

    What is on its way meanwhile is read and dropped: a connection that is closed on it may lose the sentence, too.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence, status, {"Connection": "close"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and end once the request has, or nothing more comes of it."""

        async def unfinished(message: Message) -> None:
            await send({**message, "more_body": True})

        await super().__call__(scope, receive, unfinished)
        until = time.monotonic() + LINGER
        with suppress(asyncio.TimeoutError):
            while (await asyncio.wait_for(receive(), SILENT)).get("more_body") and time.monotonic() < until:
                pass
        await send({"type": "http.response.body"})


class TurnedAway(Exception):
    """What a request brings along is refused."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.refusal = Refusal(status, sentence)


class Checked:
    """An app whose requests pass checks first."""

    def __init__(self, app: ASGIApp, checks: Sequence[Check]) -> None:
        self._app, self._checks = app, checks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or turn it away."""
        refusals = (check(scope) for check in self._checks)
        await next(filter(None, refusals), self._app)(scope, receive, send)
