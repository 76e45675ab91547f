"""What Gradio sends uncompressed: the first document, and the stream that answers come in."""

import zlib
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

GZIP, WINDOW, MEMORY = 16, 13, 6  # of zlib: some 50 kB a stream, for each visitor has one open


class CompressedDocument:
    """An app whose document at `/` is compressed where the browser takes that."""

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._compressed = app, GZipMiddleware(app, minimum_size=1000, compresslevel=6)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        document = scope["type"] == "http" and scope["path"] == "/"
        await (self._compressed if document else self._app)(scope, receive, send)


class CompressedStream:
    """An app whose event streams are compressed, event by event, where the browser takes that."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        takes = scope["type"] == "http" and "gzip" in Headers(scope=scope).get("accept-encoding", "")
        await self._app(scope, receive, _Stream(send) if takes else send)


class _Stream:
    """Sends an answer on, compressed if it is a stream of events."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._packing: Any = None  # zlib's

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if headers.get("content-type", "").startswith("text/event-stream"):
                self._packing = zlib.compressobj(6, zlib.DEFLATED, GZIP + WINDOW, MEMORY)
                headers["Content-Encoding"] = "gzip"
                headers.add_vary_header("Accept-Encoding")
        elif self._packing is not None and message["type"] == "http.response.body":
            message = {**message, "body": self._packed(message)}
        await self._send(message)

    def _packed(self, message: Message) -> bytes:
        # Flushed each time: an event must not wait for the next one.
        end = zlib.Z_SYNC_FLUSH if message.get("more_body") else zlib.Z_FINISH
        return self._packing.compress(message.get("body", b"")) + self._packing.flush(end)
