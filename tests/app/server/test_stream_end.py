"""A page hears of the end of its stream before the answer to its next event."""

import asyncio
import time
from collections.abc import AsyncIterator

from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from app.server.routes import SESSION
from app.server.stream_end import Streams

PATIENCE = 0.3  # seconds
JOIN, STREAM, UPLOAD = (f"/gradio_api/{end}" for end in ("queue/join", "queue/data", "upload"))


class Gradio:
    """Ends a stream, or takes an event; and how the streams ended."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = StreamingResponse(self._stream()) if scope["path"] == STREAM else PlainTextResponse("{}")
        await response(scope, receive, send)

    async def _stream(self) -> AsyncIterator[str]:
        try:
            yield 'data: {"msg":"process_generating","output":{"data":["close_stream"]}}'  # a visitor's words
            yield 'data: {"msg":"heartbeat"}'  # which does not wait
            yield 'data: {"msg":"close_stream"}'
            self.ended.append("by itself")
        except BaseException:
            self.ended.append("cut off")  # Gradio forgets the session's other events then
            raise


class Page:
    """A page that reads a stream, and hangs up when it is told to."""

    def __init__(self, app: Streams) -> None:
        self._app, self.hung_up, self.read = app, asyncio.Event(), asyncio.Event()

    async def asks(self, path: str, session: str = "mine") -> float:
        """Seconds until a request is answered to the end."""

        async def receive() -> Message:
            await self.hung_up.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if b'"msg":"close_stream"' in message.get("body", b""):
                self.read.set()

        began = time.monotonic()
        named = {"query_string": b"session_hash=" + session.encode()} if path == STREAM else {SESSION: session}
        await self._app({"type": "http", "method": "GET", "path": path, "query_string": b"", **named}, receive, send)
        return time.monotonic() - began


def test_an_event_after_the_end_of_a_stream_is_answered_when_the_page_has_hung_up() -> None:
    async def seconds() -> float:
        app = Streams(Gradio(), patience=60)
        page = Page(app)
        stream = asyncio.create_task(page.asks(STREAM))
        await page.read.wait()
        event = asyncio.create_task(Page(app).asks(JOIN))
        await asyncio.sleep(0.2)
        page.hung_up.set()
        await stream
        return await event

    assert 0.2 <= asyncio.run(seconds()) < 5


def test_a_page_that_hangs_up_when_it_has_heard_the_end_cuts_nothing_off() -> None:
    async def hang_up() -> None:
        page = Page(Streams(gradio, patience=60))
        stream = asyncio.create_task(page.asks(STREAM))
        await page.read.wait()
        page.hung_up.set()
        await stream

    gradio = Gradio()
    asyncio.run(hang_up())
    assert gradio.ended == ["by itself"]


def test_a_reader_that_waits_for_the_end_gets_it() -> None:
    async def seconds() -> tuple[float, float]:
        app = Streams(Gradio(), PATIENCE)
        return await Page(app).asks(STREAM), await Page(app).asks(JOIN)

    stream, event = asyncio.run(seconds())
    assert PATIENCE <= stream < PATIENCE + 5
    assert event < PATIENCE / 2


def test_nobody_else_waits() -> None:
    async def seconds() -> list[float]:
        app = Streams(Gradio(), patience=60)
        page = Page(app)
        stream = asyncio.create_task(page.asks(STREAM))
        await page.read.wait()
        others = [await Page(app).asks(JOIN, "another"), await Page(app).asks(UPLOAD)]
        page.hung_up.set()
        await stream
        return others

    assert max(asyncio.run(seconds())) < 5
