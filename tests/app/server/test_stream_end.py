"""A page hears of the end of its stream before the answer to its next event."""

import asyncio
import time
from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from app.server.stream_end import Streams
from tests.app.server.exchange import answer

HEARD = 0.2


async def gradio(scope: Scope, receive: Receive, send: Send) -> None:
    """Ends a stream, or takes an event."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    body = b'data: {"msg":"close_stream"}' if scope["path"].endswith("/data") else b"{}"
    await send({"type": "http.response.body", "body": body})


def seconds_to_answer(app: Streams, path: str, address: str = "10.0.0.1") -> float:
    """How long a request takes."""
    began = time.monotonic()
    answer(app, path, client=(address, 1))
    return time.monotonic() - began


def test_an_event_right_after_the_end_of_a_stream_is_answered_when_the_page_has_heard_of_it() -> None:
    app = Streams(gradio, HEARD)
    seconds_to_answer(app, "/gradio_api/queue/data")
    assert seconds_to_answer(app, "/gradio_api/queue/join") > 0.75 * HEARD


def test_no_other_event_waits() -> None:
    app = Streams(gradio, HEARD)
    assert seconds_to_answer(app, "/gradio_api/queue/join") < HEARD / 2
    seconds_to_answer(app, "/gradio_api/queue/data")
    assert seconds_to_answer(app, "/gradio_api/queue/join", "10.0.0.2") < HEARD / 2
    assert seconds_to_answer(app, "/gradio_api/upload") < HEARD / 2
    time.sleep(HEARD)
    assert seconds_to_answer(app, "/gradio_api/queue/join") < HEARD / 2


def test_a_page_that_hangs_up_when_it_has_heard_the_end_cuts_nothing_off() -> None:
    ended: list[str] = []
    hung_up = asyncio.Event()

    async def stream() -> AsyncIterator[str]:
        try:
            yield 'data: {"msg":"close_stream"}'
            ended.append("by itself")
        except BaseException:
            ended.append("cut off")  # Gradio forgets the session's other events then
            raise

    async def receive() -> Message:
        await hung_up.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if b"close_stream" in message.get("body", b""):
            hung_up.set()
            await asyncio.sleep(0.05)

    scope: Scope = {"type": "http", "method": "GET", "path": "/gradio_api/queue/data", "client": ("10.0.0.1", 1)}
    asyncio.run(Streams(StreamingResponse(stream()), HEARD)({**scope, "headers": []}, receive, send))
    assert ended == ["by itself"]
