"""What every answer tells the browser: what the page may load, and who may show it in a frame."""

import os

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# A Space is shown in a frame on the Hub's own site.
HUB = "https://huggingface.co https://*.hf.space"


def policy() -> str:
    """The content security policy: all comes from the page itself, in which Gradio writes and makes scripts."""
    on_hub = "SPACE_ID" in os.environ  # it shows the page in a frame, where Gradio asks it how the Space is
    ancestors = f"'self' {HUB}" if on_hub else "'self'"
    return "; ".join(
        (
            "default-src 'self'",
            "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            f"connect-src 'self' data: blob:{' https://huggingface.co' if on_hub else ''}",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            f"frame-ancestors {ancestors}",
        )
    )


class SafeHeaders:
    """An app whose answers carry the policy."""

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._policy = app, policy()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add to the head of the answer what it does not say itself."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", self._policy)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "same-origin")
                headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
            await send(message)

        await self._app(scope, receive, with_headers)
