"""A page hears that its event stream has ended before it hears that its next event has been taken.

Gradio's page reads all its events from one stream, which the server ends when none is left. A click that the server
takes within that moment would wait for ever: the page believes that the stream is open, and opens no other.

A page that has heard the end hangs up. That is how the server knows; so it says the last word, keeps the stream open,
and lets the answers to other events wait until then. Were the hanging up taken for a visitor who leaves, the events
that came meanwhile would be forgotten with the stream.
"""

import asyncio
from contextlib import suppress

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.server.routes import API
from app.server.sessions import named_sessions

CALL = f"{API}call/"
PATIENCE = 2.0  # seconds for a page to hang up: a reader of another kind may wait for the end of the stream
LAST_WORD = b'"msg":"close_stream"'  # with its key: a visitor's words may be the same


class Streams:
    """An app whose answer to an event comes when the page knows which of its streams have ended."""

    def __init__(self, app: ASGIApp, patience: float = PATIENCE) -> None:
        self._app, self._patience = app, patience
        self._unheard: dict[asyncio.Event, list[str]] = {}  # of streams that only the server knows to end: the session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; the end of a stream may wait, and the answer to an event."""
        path = scope["path"] if scope["type"] == "http" else ""
        if path.endswith("/queue/data") or (path.startswith(CALL) and scope["method"] == "GET"):
            await self._stream(scope, receive, send)
            return

        async def delayed(message: Message) -> None:
            if message["type"] == "http.response.start":
                named = set(named_sessions(scope))
                for heard in [heard for heard, session in self._unheard.items() if not named.isdisjoint(session)]:
                    await heard.wait()
            await send(message)

        await self._app(scope, receive, delayed if path.endswith("/queue/join") else send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a stream on, and keep it open after its last word until the page hangs up."""
        heard = asyncio.Event()

        async def until_over() -> Message:
            message = await receive()
            if heard in self._unheard:
                await asyncio.Event().wait()  # the stream is about to end by itself
            return message

        async def watched(message: Message) -> None:
            if LAST_WORD in message.get("body", b""):
                self._unheard[heard] = named_sessions(scope)
            elif heard in self._unheard:
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(_hung_up(receive), self._patience)
            await send(message)

        try:
            await self._app(scope, until_over, watched)
        except RuntimeError as error:  # nobody knows the session, as after a restart: Gradio has said so by then
            if not isinstance(error.__cause__, HTTPException):
                raise
        finally:
            heard.set()
            self._unheard.pop(heard, None)


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
