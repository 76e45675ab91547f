"""A page hears that its event stream has ended before it hears that its next event has been taken.

Gradio's page reads all its events from one stream, which the server ends when none is left. A click that the server
takes within that moment would wait for ever: the page believes that the stream is open, and opens no other.

A page that has heard the end hangs up, too. Were that taken for a visitor who leaves, the events that came meanwhile
would be forgotten with the stream.
"""

import asyncio
import time

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.server.routes import API
from app.server.transfers import address_of

CALL = f"{API}call/"
HEARD = 0.15  # seconds in which a page hears of the end
LAST_WORD = b'"close_stream"'


class Streams:
    """An app whose answer to an event comes some time after the end of a stream to the same address."""

    def __init__(self, app: ASGIApp, heard: float = HEARD) -> None:
        self._app, self._heard = app, heard
        self._ended: dict[str, float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; the answer to an event may wait."""
        path = scope["path"] if scope["type"] == "http" else ""
        address = address_of(scope) if path else ""
        over = False

        async def until_over() -> Message:
            message = await receive()
            if over:
                await asyncio.Event().wait()  # the stream is about to end by itself
            return message

        async def watched(message: Message) -> None:
            nonlocal over
            if LAST_WORD in message.get("body", b""):
                over = True
                now = time.monotonic()
                self._ended = {a: then for a, then in self._ended.items() if now - then < self._heard} | {address: now}
            await send(message)

        async def delayed(message: Message) -> None:
            if message["type"] == "http.response.start" and address in self._ended:
                await asyncio.sleep(self._heard - (time.monotonic() - self._ended[address]))
            await send(message)

        if path.endswith("/queue/data") or (path.startswith(CALL) and scope["method"] == "GET"):
            try:
                await self._app(scope, until_over, watched)
            except RuntimeError as error:  # nobody knows the session, as after a restart: Gradio has said so by then
                if not isinstance(error.__cause__, HTTPException):
                    raise
        else:
            await self._app(scope, receive, delayed if path.endswith("/queue/join") else send)
