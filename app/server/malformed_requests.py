"""Refuses request lines and headers that no browser sends, and that would end in an error far inside."""

import re

from starlette.datastructures import Headers
from starlette.types import Scope

from app.server.refusals import Refusal
from app.server.routes import API
from app.server.transfers import address_of

LONGEST_PATH = 1024  # bytes
DIGITS = 15  # of a length
RANGE = re.compile(r"bytes=\s*(\d{1,15}-\d{0,15}|-\d{1,15})(\s*,\s*(\d{1,15}-\d{0,15}|-\d{1,15})){0,9}\s*")
FOR = b"x-forwarded-for"
NO_PROXYS = frozenset((b"x-forwarded-host",))


def whole_head(scope: Scope) -> Refusal | None:
    """Turn away what is malformed: two lengths or one out of reach, a long path, a range of nothing."""
    headers = Headers(scope=scope)
    if "transfer-encoding" in headers and "content-length" in headers:
        # Whoever stands in front may believe the other one of the two.
        return Refusal(400, "Say its length once: either Content-Length or Transfer-Encoding.")
    if len(headers.get("content-length", "")) > DIGITS:
        return Refusal(413, "Nobody takes that much.")
    if len(scope["path"]) > LONGEST_PATH:
        return Refusal(414, "This address is too long.")
    ranges = headers.get("range")
    if ranges is not None and not RANGE.fullmatch(ranges):
        return Refusal(400, "The Range header is not one of bytes.")
    return None


def without_proxys_words(scope: Scope) -> None:
    """Drop headers that anybody can write and that Gradio would believe: the Host header says where the page is."""
    scope["headers"] = [(name, value) for name, value in scope["headers"] if name not in NO_PROXYS]


def without_pages_name(scope: Scope) -> None:
    """Drop what an address asks of the document, which the page's scripts read: Gradio ends in an error over a name."""
    if scope["path"] == "/":
        scope["query_string"] = b""


def with_assistants_address(scope: Scope) -> None:
    """Note for whom a tool is called: Gradio calls the page for an assistant, and passes these headers on."""
    if scope["path"].startswith(f"{API}mcp"):
        others = [(name, value) for name, value in scope["headers"] if name != FOR]
        scope["headers"] = [*others, (FOR, address_of(scope).encode())]
