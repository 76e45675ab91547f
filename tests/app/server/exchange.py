"""One request to an app, without a server."""

import asyncio
from collections.abc import Iterable
from typing import Any

from starlette.types import ASGIApp, Message

SECONDS = 4  # that an answer may take


def answer(app: ASGIApp, path: str, parts: Iterable[bytes] = (), more: bool = False, **scope: Any) -> list[Message]:
    """What an app sends to a request whose body comes in parts, and then goes on or is silent.

    Args: more: the last part is not the end of the body.  scope: more of the request.
    """
    waiting = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    if waiting:
        waiting[-1]["more_body"] = more
    sent: list[Message] = []

    async def receive() -> Message:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    request = {"type": "http", "method": "POST", "path": path, "headers": [], "client": ("10.0.0.1", 1), **scope}
    asyncio.run(asyncio.wait_for(app(request, receive, send), SECONDS))
    return sent
