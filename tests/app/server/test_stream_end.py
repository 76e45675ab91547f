"""A page is told which of its streams has ended, and its hanging up cuts nothing off."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from app.server.routes import JOIN, SESSION
from app.server.stream_end import ENDED, LONGEST, NAME, Streams

STREAM, UPLOAD = "/gradio_api/queue/data", "/gradio_api/upload"
END = b'"msg":"close_stream"'


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
            yield 'data: {"msg":"close_stream"}'
            self.ended.append("by itself")
        except BaseException:
            self.ended.append("cut off")  # Gradio forgets the session's other events then
            raise


async def ask(app: Streams, path: str, session: str = "mine", name: str = "", until: bytes = b"") -> Headers:
    """The headers of the answer to a page. Args: name: of a stream.  until: what the page hangs up after."""
    heard, sent = asyncio.Event(), []

    async def receive() -> Message:
        await heard.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)
        if until and until in message.get("body", b""):
            heard.set()
            await asyncio.sleep(0.05)  # the server notices

    named = {"query_string": b"session_hash=" + session.encode()} if path == STREAM else {SESSION: session}
    headers = [(NAME.encode(), name.encode())] if name else []
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": headers, **named}
    await app(scope, receive, send)
    return Headers(raw=sent[0]["headers"])


def test_the_answer_to_an_event_names_the_stream_of_its_session_that_ended_last() -> None:
    async def names() -> list[str | None]:
        app = Streams(Gradio())
        before = (await ask(app, JOIN)).get(ENDED)
        for name in ("first", "second"):
            await ask(app, STREAM, name=name)
        others = [(await ask(app, JOIN, "another")).get(ENDED), (await ask(app, UPLOAD)).get(ENDED)]
        return [before, *others, (await ask(app, JOIN)).get(ENDED)]

    assert asyncio.run(names()) == [None, None, None, "second"]


def test_a_stream_without_a_name_or_with_a_long_one_is_no_harm() -> None:
    async def names() -> list[str | None]:
        app, found = Streams(Gradio()), list[str | None]()
        for name in ("", "x" * 9000, "x" * (LONGEST - 1) + " x"):
            await ask(app, STREAM, name=name)
            found.append((await ask(app, JOIN)).get(ENDED))
        return found

    assert asyncio.run(names()) == ["", "x" * LONGEST, "x" * (LONGEST - 1)]


def test_a_stream_that_its_page_leaves_has_not_ended() -> None:
    async def ended() -> str | None:
        app = Streams(gradio)
        await ask(app, STREAM, name="left", until=b"process_generating")
        return (await ask(app, JOIN)).get(ENDED)

    gradio = Gradio()
    assert asyncio.run(ended()) is None
    assert gradio.ended == ["cut off"]


def test_a_page_that_hangs_up_when_it_has_read_the_end_cuts_nothing_off() -> None:
    gradio = Gradio()
    asyncio.run(ask(Streams(gradio), STREAM, until=END))
    assert gradio.ended == ["by itself"]


@pytest.mark.parametrize(("version", "own"), [("", {}), ("v2/", {"session_hash": "mine"})])
def test_an_answer_can_be_read_once_also_after_its_call_ended(address: str, version: str, own: dict[str, str]) -> None:
    calls = f"{address}gradio_api/call/"
    call = httpx.post(f"{calls}galleries", json={"data": [""], **own}).json()["event_id"]
    time.sleep(0.5)  # it ends
    answers = [httpx.get(f"{calls}{version}galleries/{event}", timeout=9) for event in (call, call, "x" * 32, "")]
    assert "event: complete" in answers[0].text
    over = (404, "This call is over or unknown: make it again.")
    assert [(answer.status_code, answer.text) for answer in answers[1:]] == 3 * [over]


def test_an_answer_that_comes_later_is_waited_for_and_one_that_was_left_is_over(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.access.Access.galleries", lambda *_: time.sleep(1) or [])
    door = f"{address}gradio_api/call/galleries"
    left = httpx.post(door, json={"data": [""]}).json()["event_id"]
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{door}/{left}", timeout=0.3)
    waited = httpx.post(door, json={"data": [""]}).json()["event_id"]
    assert "event: complete" in httpx.get(f"{door}/{waited}", timeout=9).text
    assert httpx.get(f"{door}/{left}", timeout=9).status_code == 404
