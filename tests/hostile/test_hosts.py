"""Other sites' scripts, and sites whose names lead here."""

import pytest

from tests.hostile.served_page import Served
from tests.hostile.test_bodies import exchange

pytestmark = pytest.mark.hostile


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7860", "localhost.evil.example", "127.0.0.1.evil.example", "", "["]
)
def test_the_owners_page_has_no_other_name(own_page: Served, host: str) -> None:
    for path in ("/", "/config", "/health"):
        answer = exchange(own_page, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 400")
    assert exchange(own_page, b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "tgem.localhost", "192.0.2.1"])
def test_the_owners_page_answers_to_this_machine(own_page: Served, host: str) -> None:
    with own_page.client(headers={"Host": f"{host}:{own_page.port}"}) as owner:
        assert owner.get("/config").status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:3000", "file://", "http://[", "http://127.0.0.1"]
)
def test_another_sites_script_reads_and_sends_nothing(own_page: Served, page: Served, origin: str) -> None:
    for served in (own_page, page):
        before = sorted(served.arriving.rglob("*")) if served.arriving.is_dir() else []
        with served.client(headers={"Origin": origin}) as foreign:
            calls = [
                foreign.post("/gradio_api/upload", files={"files": ("a.png", b"a")}),
                foreign.post("/gradio_api/queue/join", content=b"{}", headers={"Content-Type": "text/plain"}),
                foreign.options("/gradio_api/upload", headers={"Access-Control-Request-Method": "POST"}),
                foreign.get("/gradio_api/queue/data", params={"session_hash": "a"}),
                foreign.get("/gradio_api/info"),
                foreign.post("/gradio_api/mcp/", json={}),
            ]
            assert [call.status_code for call in calls] == [403] * len(calls)
            assert not any("access-control-allow-origin" in call.headers for call in calls)
        assert (sorted(served.arriving.rglob("*")) if served.arriving.is_dir() else []) == before


def test_a_link_from_another_site_opens_the_page_and_an_image_from_there_does_nothing(own_page: Served) -> None:
    with own_page.client(headers={"Sec-Fetch-Site": "cross-site"}) as foreign:
        assert foreign.get("/").status_code == 200
        assert foreign.get("/gradio_api/heartbeat/abc").status_code == 403


def test_the_page_itself_and_programs_are_answered(own_page: Served, page: Served) -> None:
    for served in (own_page, page):
        for headers in ({}, {"Origin": served.address}, {"Sec-Fetch-Site": "same-origin", "Origin": served.address}):
            with served.client(headers=headers) as own:
                assert own.get("/gradio_api/info").status_code == 200
                assert own.post("/gradio_api/upload", files={"files": ("a.png", b"a")}).status_code == 200


def test_a_public_page_without_a_list_answers_to_any_name_and_says_so(page: Served) -> None:
    with page.client(headers={"Host": "photos.example"}) as visitor:
        assert visitor.get("/config").status_code == 200
    assert any("TGEM_HOSTS lists" in line for line in page.said)
