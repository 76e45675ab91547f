"""Which of Gradio's addresses the page needs; all others of its are closed, whatever a later version adds to them.

Among those closed: `file=`, which serves what others have sent and fetches any public address for whoever asks,
`component_server`, which makes a lasting session for everyone who asks, and `upload_progress`, which keeps each name
that it is asked for. What the page serves itself is not Gradio's.
"""

import os
from urllib.parse import urlsplit

from starlette.types import Scope

from app.server.refusals import Refusal
from app.server.settings import ROOT

API = "/gradio_api/"
JOIN = f"{API}queue/join"  # by which the page sends every event
SESSION = "tgem.session"  # where the scope of such a request keeps the session that its body names
READ = (
    *("app_id", "call", "heartbeat", "info", "login_check", "openapi.json", "queue/data", "startup-events"),
    "theme.css",
)

WRITTEN = ("call", "cancel", "queue/join", "reset", "upload")
CLOSED = ("/login", "/logout", "/monitoring", "/pwa_icon", "/svelte")


def without_root_path(scope: Scope) -> None:
    """Take off the path that a proxy serves the page under, as Gradio would once all that looks at paths has looked."""
    root = urlsplit(os.environ.get(ROOT, "")).path.rstrip("/")
    while root and _below(scope["path"], root):
        scope["path"] = scope["path"].removeprefix(root) or "/"


def open_route(scope: Scope) -> Refusal | None:
    """Turn away what asks for an address of Gradio's that the page does not use."""
    path, method = scope["path"], scope["method"]
    if not path.startswith(API):
        return _closed() if any(_below(path, closed) for closed in CLOSED) else None
    rest = path.removeprefix(API)
    if _below(rest, "mcp"):  # there is none unless it was asked for
        return None
    needed = READ if method in ("GET", "HEAD") else WRITTEN if method == "POST" else ()
    return None if any(_below(rest, one) for one in needed) else _closed()


def _below(path: str, start: str) -> bool:
    """Whether a path is an address or lies below it."""
    return path.rstrip("/") == start.rstrip("/") or path.startswith(f"{start.rstrip('/')}/")


def _closed() -> Refusal:
    return Refusal(404, "There is nothing here.")
