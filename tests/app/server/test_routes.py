"""Gradio's addresses are closed but for those that the page uses, under a proxy's path as well."""

import pytest
from starlette.types import Scope

from app.server.routes import open_route, without_root_path

CLOSED = "gradio_api/file=/etc/hostname"


def asked(path: str) -> Scope:
    scope: Scope = {"type": "http", "method": "GET", "path": path, "headers": []}
    without_root_path(scope)
    return scope


@pytest.mark.parametrize("root", ["/photos", "/photos/", "https://example.org/photos"])
def test_the_path_of_a_proxy_leads_past_no_check(monkeypatch: pytest.MonkeyPatch, root: str) -> None:
    monkeypatch.setenv("GRADIO_ROOT_PATH", root)
    for before in ("/", "/photos/", "/photos/photos/"):
        assert open_route(asked(f"{before}{CLOSED}")) is not None
        assert open_route(asked(f"{before}gradio_api/info")) is None
    assert asked("/photos")["path"] == "/"
    assert asked("/photographs")["path"] == "/photographs"


def test_without_a_proxy_every_path_is_as_it_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRADIO_ROOT_PATH", raising=False)
    assert asked("/photos/x")["path"] == "/photos/x"
