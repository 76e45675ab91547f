"""What a request may bring along: bounded by its kind before anything parses it.

Gradio parses JSON where all requests are answered, at 4 to 8 microseconds for each value: what a stranger sends is
counted first, by its bytes and by the signs that stand between values, which costs next to nothing.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.server.calls import Endpoints, calling_session, named_call
from app.server.refusals import TurnedAway
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
        coming = receive
        try:
            body = await whole(Request(scope, receive), size.bytes)
            coming = replayed(body, receive)
            coming = replayed(self._checked(scope, body, size.values), receive)
        except TurnedAway as error:
            await error.refusal(scope, coming, send)
        except ClientDisconnect:
            pass
        else:
            await self._app(scope, coming, send)

    def _checked(self, scope: Scope, body: bytes, most: int) -> bytes:
        """The body of a call, all its values in it; any other as it is. Whose session calls the page is noted.

        Raises: TurnedAway, also where there may be more values in it than that.
        """
        if sum(map(body.count, SIGNS)) > most:
            raise TurnedAway(413, f"At most {most} values may be sent at once.")
        if scope["path"].rstrip("/") == JOIN:
            scope[SESSION] = calling_session(body, self._inputs())
        elif scope["method"] == "POST" and (call := CALL.fullmatch(scope["path"])):
            return named_call(body, call["name"], bool(call["by_name"]), self._endpoints())
        return body


async def whole(request: Request, most: int) -> bytes:
    """A request's body; raises ClientDisconnect, and TurnedAway: before it is read where its head says so."""
    too_long = TurnedAway(413, f"At most {most // MB} MB may be sent here.")
    if int(request.headers.get("content-length", 0)) > most:
        raise too_long
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise too_long
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
