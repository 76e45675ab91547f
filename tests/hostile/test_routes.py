"""Addresses that Gradio has and the page does not need."""

import pytest

from tests.hostile.relay import elsewhere
from tests.hostile.served_page import Served

pytestmark = pytest.mark.hostile


def test_nothing_is_fetched_for_strangers(page: Served) -> None:
    with elsewhere("127.0.0.1", 0) as (url, asked), page.client() as stranger:
        for address in (f"file={url}/a", f"proxy={url}/a", f"file/{url}/a", "file=https://example.com/a"):
            assert stranger.get(f"/gradio_api/{address}").status_code == 404
        file = {"path": f"{url}/b", "url": f"{url}/c", "meta": {"_type": "gradio.FileData"}}
        for path, body in (
            ("queue/join", {"fn_index": page.event("add_photos"), "data": [file, "", ""], "session_hash": "relay"}),
            ("call/add_photos", {"data": [file, "", ""]}),
            ("call/v2/add_photos", {"file": file, "gallery": "", "visitor": ""}),
        ):
            stranger.post(f"/gradio_api/{path}", json=body)
        assert "not sent" in stranger.get("/gradio_api/queue/data", params={"session_hash": "relay"}).text
    assert not asked


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/monitoring"),
        ("GET", "/monitoring/summary"),
        ("POST", "/login"),
        ("GET", "/logout"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/process_recording"),
        ("GET", "/gradio_api/deep_link?session_hash=a"),
        ("GET", "/gradio_api/vibe-code"),
        ("POST", "/gradio_api/vibe-edit"),
        ("GET", "/gradio_api/dev/reload"),
        ("POST", "/gradio_api/run/search"),
        ("POST", "/gradio_api/stream/a/close"),
        ("GET", "/gradio_api/custom_component/a/client/b/c"),
        ("DELETE", "/gradio_api/queue/join"),
        ("GET", "/gradio_api/mcp/"),
    ],
)
def test_what_the_page_does_not_need_is_closed(page: Served, method: str, path: str) -> None:
    with page.client() as stranger:
        assert stranger.request(method, path).status_code == 404


def test_names_of_uploads_are_asked_for_and_kept_nowhere(page: Served) -> None:
    with page.client() as stranger:
        asked = stranger.get("/gradio_api/upload_progress", params={"upload_id": "a" * 10_000})
        assert (asked.status_code, asked.text) == (404, "There is nothing here.")
        sent = stranger.post("/gradio_api/upload", params={"upload_id": "a"}, files={"files": ("a.jpg", b"a")})
        assert sent.status_code == 200


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/photo/" + "9" * 5000 + "/grid/a.jpg", {}, 414),
        ("/photo/" + "9" * 900 + "/grid/a.jpg", {}, 404),
        ("/theme.css", {"Range": "1-2-3"}, 400),
        ("/static/img/logo.svg", {"Range": "bytes=1-2-3"}, 400),
        ("/", {"Range": "bytes=0-9"}, 200),
        ("/?page=2", {}, 200),
    ],
)
def test_what_nobody_asks_for_is_no_error_of_ours(
    page: Served, path: str, headers: dict[str, str], status: int
) -> None:
    lines = len(page.said)
    with page.client(headers=headers) as stranger:
        assert stranger.get(path).status_code == status
    assert page.tracebacks(lines) == []


def test_every_answer_says_what_may_be_loaded_and_who_may_frame_it(page: Served) -> None:
    with page.client() as visitor:
        for path in ("/", "/theme.css", "/health", "/nowhere"):
            headers = visitor.get(path).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert "frame-ancestors 'self';" in f"{headers['content-security-policy']};"
            assert "server" not in headers
        shown = visitor.get("/", headers={"X-Forwarded-Host": "evil.example"}).text
        assert "evil.example" not in shown
