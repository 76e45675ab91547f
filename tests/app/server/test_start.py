"""The page starts the way that ZeroGPU's package waits for, on a server of our own."""

import errno
import os
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio import http_server
from gradio.queueing import Queue
from starlette.responses import PlainTextResponse

from app.server.settings import BadSetting
from app.server.start import Server, start

ServePage = Callable[..., tuple[gr.Blocks, str]]


def test_zerogpu_sees_the_start_and_finds_the_port(serve_page: ServePage, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    plain: Callable[..., Any] = gr.Blocks.launch

    def launch(*given: Any, **options: Any) -> Any:  # as the package puts it in the place of Gradio's, for one start
        started.append("zero")
        monkeypatch.setattr(gr.Blocks, "launch", plain)
        return gr.Blocks.launch(*given, **options)

    monkeypatch.setattr(gr.Blocks, "launch", launch)
    before = http_server.start_server
    page, address = serve_page()
    assert started == ["zero"]
    assert isinstance(page.server, Server)
    assert address == f"http://127.0.0.1:{page.server.config.port}/"
    assert httpx.get(f"{address}config").status_code == 200
    assert http_server.start_server is before


@pytest.mark.parametrize("direct", [None, "intranet"])
def test_a_proxy_is_not_asked_for_the_page_itself_and_for_the_rest_it_is(
    serve_page: ServePage, monkeypatch: pytest.MonkeyPatch, direct: str | None
) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nobody listens
    monkeypatch.setenv("NO_PROXY", "")
    if direct is None:
        monkeypatch.delenv("no_proxy", raising=False)
    else:
        monkeypatch.setenv("no_proxy", direct)
    _, address = serve_page()
    assert httpx.get(f"{address}config", trust_env=False).status_code == 200
    assert os.environ.get("no_proxy") == direct
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}config")


def test_a_page_that_nobody_asks_anything_rests(serve_page: ServePage, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Queue] = []
    monkeypatch.setattr(Queue, "__len__", lambda queue: looks.append(queue) or 0)
    serve_page()
    looks.clear()
    time.sleep(0.3)
    assert 0 < len(looks) < 60


def test_tools_that_cannot_be_served_are_a_sentence(serve_page: ServePage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)  # is not installed
    with pytest.raises(BadSetting, match=r'pip install "gradio\[mcp\]"'):
        serve_page(mcp=True)


@pytest.mark.parametrize(
    ("name", "shown"), [("127.0.0.2", "127.0.0.2"), ("::1", "[::1]"), ("[::1]", "[::1]"), ("::", "[::1]")]
)
def test_an_address_that_is_listened_on_can_be_opened(monkeypatch: pytest.MonkeyPatch, name: str, shown: str) -> None:
    if ":" in name and not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    monkeypatch.setenv("GRADIO_SERVER_NAME", name)
    _, port, address, server = start(PlainTextResponse("here"), None, None)
    try:
        assert address == f"http://{shown}:{port}/"
        assert httpx.get(address).text == "here"
    finally:
        server.close()


def test_an_answers_end_does_not_wait_for_its_beginning_to_be_taken() -> None:
    _, _, address, server = start(PlainTextResponse("here"), None, None)
    try:
        with httpx.Client() as client:
            client.get(address)
            began = time.monotonic()
            for _ in range(20):
                client.get(address)
            assert time.monotonic() - began < 0.4, "each took the 40 ms after which a system says what it has taken"
    finally:
        server.close()


@pytest.mark.parametrize("reason", [errno.EADDRINUSE, errno.EACCES])
def test_a_port_that_is_in_use_or_that_the_system_reserves_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    tried: list[int] = []
    create = socket.create_server

    def refuse_the_first(address: tuple[str, int], **options: Any) -> socket.socket:
        tried.append(address[1])
        if address[1] == tried[0]:
            raise OSError(reason, "not this one")
        return create(("127.0.0.1", 0), **options)

    monkeypatch.setattr(socket, "create_server", refuse_the_first)
    monkeypatch.delenv("GRADIO_SERVER_PORT", raising=False)
    *_, server = start(PlainTextResponse("here"), None, None)
    server.close()
    assert tried == [tried[0], tried[0] + 1]
    with pytest.raises(OSError, match=f"Port {tried[0]} is in use or reserved.*set GRADIO_SERVER_PORT"):
        start(PlainTextResponse("here"), None, tried[0])


@pytest.mark.parametrize("name", ["photos.invalid", "a..b", "192.0.2.1"])
def test_a_name_that_is_not_this_machines_is_a_sentence(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("GRADIO_SERVER_NAME", name)
    with pytest.raises(BadSetting, match=r"GRADIO_SERVER_NAME is '.*no name or address of this machine"):
        start(PlainTextResponse("here"), None, None)
