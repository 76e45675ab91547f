"""A page is told which of its event streams have ended, so that it opens another one for its next event.

Gradio's page reads all its events from one stream, which the server ends when none is left. An event that the server
takes then has no stream; and a page that hears of that before it has read the last word of the old one believes that
the old one is open, opens no other, and waits for ever. So the page names each stream, the answer to an event says
which one of its session ended last, and the page reads that one to its end first (assets/streams.js).
"""

import asyncio

from cachetools import LRUCache
from gradio.queueing import Queue
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.server.refusals import Check, Refusal
from app.server.routes import API, JOIN
from app.server.sessions import named_sessions

CALL = f"{API}call/"
NAME, ENDED = "tgem-stream", "tgem-ended"  # headers
LONGEST = 16  # characters of a name
LAST_WORD = b'"msg":"close_stream"'  # with its key: a visitor's words may be the same
REMEMBERED = 4096  # sessions: a page asks within seconds, if ever


class Streams:
    """An app whose answer to an event says which event stream of its session ended last, by the page's name for it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._ended: LRUCache[str, str] = LRUCache(REMEMBERED)  # names of streams, by session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        path = scope["path"]
        if path.endswith("/queue/data") or (path.startswith(CALL) and scope["method"] == "GET"):
            await self._stream(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                for session in named_sessions(scope):
                    if session in self._ended:
                        MutableHeaders(scope=message)[ENDED] = self._ended[session]
            await send(message)

        await self._app(scope, receive, told if path == JOIN else send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        name, over = Headers(scope=scope).get(NAME, "")[:LONGEST].strip(), False  # no header may end with a space

        async def until_over() -> Message:
            message = await receive()
            if over:  # the page hangs up: taken for a visitor who leaves, events of a moment later would be forgotten
                await asyncio.Event().wait()  # the stream is about to end by itself
            return message

        async def watched(message: Message) -> None:
            nonlocal over
            if LAST_WORD in message.get("body", b""):
                over = True
                self._ended.update(dict.fromkeys(named_sessions(scope), name))
            await send(message)

        try:
            await self._app(scope, until_over, watched)
        except RuntimeError as error:  # nobody knows the session, as after a restart: Gradio has said so by then
            if not isinstance(error.__cause__, HTTPException):
                raise


def unread(queue: Queue) -> Check:
    """Turns away who asks for an answer that was read already, or is of no call: Gradio would say nothing for ever."""

    def check(scope: Scope) -> Refusal | None:
        if scope["method"] != "GET" or not scope["path"].startswith(CALL):
            return None
        event = scope["path"].rstrip("/").rpartition("/")[-1]
        sessions = queue.pending_event_ids_session.items()  # of calls whose answers nobody has read to their end
        if any(event in events and session in queue.pending_messages_per_session for session, events in sessions):
            return None
        return Refusal(404, "This call is over or unknown: make it again.")

    return check
