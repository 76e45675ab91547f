"""The page over HTTP, as a program meets it; a small encoder stands in for the real one."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from app.blocks import Page
from app.demo import Demo
from app.pictures import Pictures, secret_of
from engine.gallery import ASSETS
from engine.gallery.galleries import list_photos
from engine.gallery.library import Library
from engine.utils.data_dir import home

ROOT = Path(__file__).parents[2]


class TestOverHttp:
    def test_a_kept_picture_that_cannot_be_shown_is_named_with_what_to_do(
        self, address: str, pictures: Pictures, library: Library, demo: Demo
    ) -> None:
        photo = list_photos(library, demo.id)[0]
        path = library.picture_path(photo.content_hash)
        for damage in (b"", b"\xff\xd8 cut short", None):
            path.unlink() if damage is None else path.write_bytes(damage)
            answer = httpx.get(address + pictures.address(photo, "grid"))
            assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (404, "text/plain")
            assert answer.text.startswith(f"The kept picture of {photo.file} is gone or damaged; delete the photo")

    def test_the_page_has_an_icon_of_its_own_and_asks_no_other_host_for_anything(self, address: str) -> None:
        assert httpx.get(f"{address}favicon.ico").content == (ASSETS / "favicon.svg").read_bytes()
        html = httpx.get(address).text
        assert "fonts.googleapis.com" not in html
        assert '"analytics_enabled":false' in html.replace(" ", "")


def test_a_change_comes_whole_so_that_the_one_before_it_is_drawn_too() -> None:
    page, event = Page(), SimpleNamespace(outputs=[1, 2, 3])
    seen, hidden, kept = {"visible": True}, {"visible": False}, {"choices": [1]}

    def sent(*values: object, final: bool = False) -> list[object]:
        return page.handle_streaming_diffs(event, list(values), "a session", "a run", final)

    assert sent(seen, "a", kept) == [seen, "a", kept]
    assert sent(hidden, "ab", {"choices": [1]}) == [[["replace", [], hidden]], [["append", [], "b"]], []]
    assert sent(None, None, None, final=True) == [hidden, "ab", kept]


@pytest.mark.slow
def test_a_busy_port_that_was_chosen_is_an_error_that_names_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        environment = {**os.environ, "GRADIO_SERVER_PORT": str(port), "TGEM_HOME": str(home())}
        ended = subprocess.run(
            [sys.executable, "app.py"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
        )
    assert ended.returncode == 1
    assert f"Port {port} is in use" in ended.stderr
    assert "set GRADIO_SERVER_PORT" in ended.stderr


def test_addresses_are_signed_with_the_data_folders_own_secret(library: Library, demo: Demo, tmp_path: Path) -> None:
    photo = list_photos(library, demo.id)[0]
    ours = Pictures(library, secret_of(home())).address(photo, "grid")
    (tmp_path / "other").mkdir()
    assert ours == Pictures(library, secret_of(home())).address(photo, "grid")
    assert ours != Pictures(library, secret_of(tmp_path / "other")).address(photo, "grid")
    assert (home() / "secret.key").stat().st_mode & 0o077 == 0


def test_a_secret_that_was_never_written_whole_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "secret.key").touch()
    assert len(secret_of(tmp_path)) == 32
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_what_no_page_sends_is_a_sentence_and_nothing_for_the_log(
    address: str, capfd: pytest.CaptureFixture[str]
) -> None:
    page = httpx.get(f"{address}config").json()
    slider = next(part["id"] for part in page["components"] if part["type"] == "slider")
    event = next(event for event in page["dependencies"] if slider in event["inputs"])
    sent = {"data": [{"no": "number"}] * len(event["inputs"]), "fn_index": event["id"], "session_hash": "somebody"}
    assert httpx.post(f"{address}gradio_api/queue/join", json=sent).status_code == 200
    with httpx.stream("GET", f"{address}gradio_api/queue/data?session_hash=somebody", timeout=30) as answer:
        told = next(line for line in answer.iter_lines() if "process_completed" in line)
    assert "This did not work" in told
    assert "Traceback" not in capfd.readouterr().err
