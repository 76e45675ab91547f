"""The first document, compressed: Gradio compresses only what has a file's name, and this one has none."""

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send


class CompressedDocument:
    """An app whose document at `/` is compressed where the browser takes that."""

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._compressed = app, GZipMiddleware(app, minimum_size=1000, compresslevel=6)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        document = scope["type"] == "http" and scope["path"] == "/"
        await (self._compressed if document else self._app)(scope, receive, send)
