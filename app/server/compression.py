"""What Gradio sends uncompressed: the first document, and the stream that answers come in."""

import zlib
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

GZIP, WINDOW, MEMORY = 16, 13, 6  # of zlib: some 50 kB a stream, for each visitor has one open


class Compressed:
    """An app whose document at `/` and whose event streams are compressed where the browser takes that."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        takes = "gzip" in Headers(scope=scope).get("accept-encoding", "")
        await self._app(scope, receive, _Answer(send, scope["path"] == "/") if takes else send)


class _Answer:
    """Sends an answer on, compressed if it is the document, or event by event if it is a stream of them."""

    def __init__(self, send: Send, document: bool) -> None:
        self._send, self._document = send, document
        self._packing: Any = None  # zlib's

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if self._document or headers.get("content-type", "").startswith("text/event-stream"):
                window = zlib.MAX_WBITS if self._document else WINDOW
                self._packing = zlib.compressobj(6, zlib.DEFLATED, GZIP + window, MEMORY)
                headers["Content-Encoding"] = "gzip"
                headers.add_vary_header("Accept-Encoding")
                del headers["Content-Length"]
        elif self._packing is not None and message["type"] == "http.response.body":
            message = {**message, "body": self._packed(message)}
        await self._send(message)

    def _packed(self, message: Message) -> bytes:
        # Flushed each time: an event must not wait for the next one.
        end = zlib.Z_SYNC_FLUSH if message.get("more_body") else zlib.Z_FINISH
        return self._packing.compress(message.get("body", b"")) + self._packing.flush(end)
