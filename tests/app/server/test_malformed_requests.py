"""What a request's head says of who sent it."""

import pytest
from starlette.types import Scope

from app.server.malformed_requests import whole_head, with_assistants_address
from app.server.transfers import address_of


@pytest.mark.parametrize(("path", "kept"), [("mcp/", [b"198.51.100.7"]), ("call/search", [b"203.0.113.9"])])
def test_a_call_that_gradio_makes_for_an_assistant_names_the_assistants_address(path: str, kept: list[bytes]) -> None:
    scope: Scope = {
        "type": "http",
        "path": f"/gradio_api/{path}",
        "client": ("198.51.100.7", 40_000),
        "headers": [(b"x-forwarded-for", b"203.0.113.9"), (b"host", b"localhost")],
    }
    with_assistants_address(scope)
    assert [value for name, value in scope["headers"] if name == b"x-forwarded-for"] == kept
    assert address_of(scope) == "198.51.100.7"


@pytest.mark.parametrize(("length", "status"), [("5", None), ("9" * 15, None), ("9" * 16, 413), ("9" * 5000, 413)])
def test_a_length_that_no_guard_could_read_is_turned_away(length: str, status: int | None) -> None:
    refusal = whole_head({"type": "http", "path": "/", "headers": [(b"content-length", length.encode())]})
    assert (refusal and refusal.status_code) == status
