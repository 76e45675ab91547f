"""Files on their way in: nothing of what was broken off stays, and nothing is served from there."""

import os
import signal
from pathlib import Path

import pytest

from tests.hostile.served_page import Served, served, until

pytestmark = pytest.mark.hostile


def test_nothing_of_an_upload_that_was_broken_off_stays(page: Served) -> None:
    before = page.arrived()
    part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n' + b"a" * 100_000
    with page.connect() as connection:
        connection.sendall(
            b"POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n" + part
        )
        until(lambda: len(page.arrived()) > len(before))
    until(lambda: page.arrived() == before)


def test_what_was_sent_is_not_served(page: Served) -> None:
    with page.client("198.51.100.10") as visitor:
        (path,) = visitor.post("/gradio_api/upload", files={"files": ("secret.jpg", b"EXIF")}).json()
        assert Path(path).read_bytes() == b"EXIF"
        for address in (f"/gradio_api/file={path}", f"/gradio_api/file/{path}", f"/file={path}"):
            answer = visitor.get(address)
            assert (answer.status_code, "EXIF" in answer.text) == (404, False)


def test_two_who_send_the_same_file_do_not_share_it(page: Served) -> None:
    with page.client("198.51.100.11") as one, page.client("198.51.100.12") as other:
        sent = [
            each.post("/gradio_api/upload", files={"files": ("same.jpg", b"same")}).json()[0] for each in (one, other)
        ]
        assert sent[0] != sent[1]


def test_what_a_page_that_was_killed_has_left_goes_at_the_next_start_and_what_comes_as_it_stops(tmp_path: Path) -> None:
    home = tmp_path / "home"
    old = home / "arriving" / "of another process" / "0" / "a.jpg"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"EXIF")
    os.utime(old.parent.parent, (0, 0))
    with served(home) as page:
        until(lambda: not old.exists())
        for path in (home, home / "tgem.db", page.arriving, next((home / "pictures").rglob("*.jpg"))):
            assert path.stat().st_mode & 0o077 == 0, f"{path} can be read by others"
        with page.client() as visitor:
            visitor.post("/gradio_api/upload", files={"files": ("secret.jpg", b"EXIF")}).raise_for_status()
        assert page.arrived()
    assert page.process.returncode == 0
    assert not page.arrived()


@pytest.mark.parametrize("signals", ["SIGHUP", "SIGINT SIGINT"])  # names, for Windows lacks some, and reads this, too
def test_a_page_whose_terminal_is_closed_leaves_nothing_either(tmp_path: Path, signals: str) -> None:
    with served(tmp_path) as page:
        with page.client() as visitor:
            visitor.post("/gradio_api/upload", files={"files": ("secret.jpg", b"EXIF")}).raise_for_status()
        for name in signals.split():
            page.process.send_signal(signal.Signals[name])
        assert page.process.wait(30) == 0
    assert not page.arrived()
    assert page.tracebacks() == []
