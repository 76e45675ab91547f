"""Connections that say nothing, little, or for ever."""

import socket
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.hostile.served_page import Served, served, until

pytestmark = pytest.mark.hostile

UPLOAD = b"POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n"
FORM = (
    b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
)


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side has ended it."""
    connection.setblocking(False)
    try:
        while connection.recv(65536):
            pass
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True


def dripped(connection: socket.socket, data: bytes) -> None:
    """Send, as slowly as the caller asks."""
    connection.setblocking(True)
    with suppress(OSError):
        connection.sendall(data)


def test_who_says_nothing_or_too_little_is_let_go_and_who_goes_on_is_not(page: Served) -> None:
    silent, half, drop, body, stream, slow = (page.connect() for _ in range(6))
    half.sendall(b"GET / HTTP/1.1\r\nHost: local")
    drop.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
    body.sendall(UPLOAD + FORM)
    stream.sendall(b"GET /gradio_api/heartbeat/quiet HTTP/1.1\r\nHost: localhost\r\n\r\n")
    slow.sendall(UPLOAD + FORM)
    for _ in range(28):
        dripped(drop, b"a")
        dripped(body, b"a")
        dripped(slow, b"a" * 1000)
        time.sleep(1)
    assert [is_closed(each) for each in (silent, half, drop, body)] == [True] * 4
    assert [is_closed(each) for each in (stream, slow)] == [False] * 2
    slow.close()
    stream.close()


def test_a_full_house_lets_go_who_waits_and_says_so_in_a_line(tmp_path: Path) -> None:
    with served(tmp_path / "home", limit="ulimit -n 80") as page:
        waiting = []
        for _ in range(300):
            waiting.append(page.connect())
        for _ in range(5):
            with page.client() as visitor:
                assert visitor.get("/theme.css").status_code == 200
        until(lambda: sum(map(is_closed, waiting)) > 200)
        assert sum("The house is full" in line for line in page.said) == 1
        assert not page.tracebacks()
        for connection in waiting:
            connection.close()
        streams = [page.connect() for _ in range(80)]
        for connection in streams:  # these are answered, and cannot be let go
            dripped(connection, b"GET /gradio_api/heartbeat/a HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(1)
        for connection in streams:
            connection.close()
        with page.client() as visitor:
            assert visitor.get("/health").status_code == 200
        assert not page.tracebacks()
