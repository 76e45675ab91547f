"""What a request may bring along: bounded by its kind before anything parses it.

Gradio parses JSON where all requests are answered, at 4 to 8 microseconds for each value: what a stranger sends is
counted first, by its bytes and by the signs that stand between values, which costs next to nothing.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.server.calls import LONGEST_SESSION, Endpoints, named_call
from app.server.refusals import Refusal
from app.server.routes import API, JOIN, SESSION

MB = 2**20
SIGNS = (b",", b"[", b"{")  # there are as many values as these, or fewer


@dataclass(frozen=True)
class Size:
    """How much one request may bring."""

    bytes: int
    values: int


STRANGERS = Size(MB, 20_000)  # a thousand photos in one drop are 400 kB and 10,000 values
OWNERS = Size(8 * MB, 200_000)
ASSISTANTS = Size(32 * MB, 20_000)  # over MCP a file comes as one long value
UPLOAD = f"{API}upload"
CALL = re.compile(rf"{API}call/(?P<by_name>v2/)?(?P<name>[^/]+)/?")
FILES = re.compile(r"/incoming/[\w-]{1,64}/files")  # of an upload that was announced


class TooLong(Exception):
    """More arrived than may."""


class Bodies:
    """An app that gets no request with a body that is too large, or that is no call of the page."""

    def __init__(
        self, app: ASGIApp, size: Size, inputs: Callable[[], Mapping[int, int]], endpoints: Callable[[], Endpoints]
    ) -> None:
        """Args: inputs: how many inputs each event takes, by the event's number.  endpoints: those that have names."""
        self._app, self._size, self._inputs, self._endpoints = app, size, inputs, endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its whole body at hand, or turn it away; uploads are read where they are kept."""
        if scope["path"].rstrip("/") == UPLOAD or FILES.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        size = ASSISTANTS if scope["path"].startswith(f"{API}mcp") else self._size
        try:
            body = await whole(Request(scope, receive), size.bytes)
        except TooLong:
            await Refusal(413, f"At most {size.bytes // MB} MB may be sent here.")(scope, receive, send)
            return
        except ClientDisconnect:
            return
        checked = too_many_values(body, size.values) or self._checked(scope, body)
        if isinstance(checked, Refusal):
            await checked(scope, replayed(body, receive), send)
            return
        await self._app(scope, replayed(checked, receive), send)

    def _checked(self, scope: Scope, body: bytes) -> bytes | Refusal:
        """The body of a call, all its values in it; any other as it is. Whose session calls the page is noted."""
        if scope["path"].rstrip("/") == JOIN:
            session = calling_session(body, self._inputs())
            if isinstance(session, Refusal):
                return session
            scope[SESSION] = session
            return body
        if scope["method"] == "POST" and (call := CALL.fullmatch(scope["path"])):
            return named_call(body, call["name"], bool(call["by_name"]), self._endpoints())
        return body


async def whole(request: Request, most: int) -> bytes:
    """A request's body; raises ClientDisconnect, and TooLong: before it is read where its head says so."""
    if int(request.headers.get("content-length", 0)) > most:
        raise TooLong
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise TooLong
        parts.append(part)
    return b"".join(parts)


def replayed(body: bytes, receive: Receive) -> Receive:
    """Gives a body that was read already, and then what else comes."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def too_many_values(body: bytes, most: int) -> Refusal | None:
    """Turn away JSON of more values than may be."""
    if sum(map(body.count, SIGNS)) > most:
        return Refusal(413, f"At most {most} values may be sent at once.")
    return None


def calling_session(body: bytes, inputs: Mapping[int, int]) -> str | Refusal:
    """Which session calls an event of the page.

    What names no event, or brings more than the event takes, is turned away: it would end in an error.
    """
    try:
        told: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return Refusal(400, "This is not JSON.")
    if not isinstance(told, dict):
        return Refusal(400, "This is no call of the page.")
    event, data, session = told.get("fn_index"), told.get("data"), told.get("session_hash")
    if isinstance(event, bool) or not isinstance(event, int) or event not in inputs:
        return Refusal(404, "The page has no such event; load it again.")
    if not isinstance(data, list) or len(data) > inputs[event]:
        return Refusal(400, "This event takes fewer values.")
    if not isinstance(session, str) or not 0 < len(session) <= LONGEST_SESSION:
        return Refusal(400, "Say which session this is (session_hash).")
    return session
