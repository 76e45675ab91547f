"""The page over HTTP, as a program meets it; a small encoder stands in for the real one."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from app.blocks import Page
from app.demo import NAME, Demo
from app.pictures import Pictures, secret_of
from engine.gallery import ASSETS, DEFAULT_BUDGET, DEMO_GALLERY, EngineError
from engine.gallery.galleries import delete_gallery, list_photos, open_gallery, summarize_gallery
from engine.gallery.library import Library
from engine.gallery.reencode import reencode_gallery
from engine.storage.database import Database
from engine.utils.data_dir import home
from tests.fake_encoder import FakeEncoder

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

    def test_the_page_has_an_icon_of_its_own(self, address: str) -> None:
        assert httpx.get(f"{address}favicon.ico").content == (ASSETS / "favicon.svg").read_bytes()

    def test_the_page_asks_no_other_host_for_anything(self, address: str) -> None:
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


class TestDemo:
    def test_it_is_encoded_once(self, library: Library, folder: Path, demo: Demo, fake_encoder: FakeEncoder) -> None:
        assert demo.ready
        assert fake_encoder.batches == [3]
        again = Demo(library, folder)
        again.start().join()
        assert again.id == demo.id
        assert fake_encoder.batches == [3]

    def test_photos_that_left_the_folder_leave_the_gallery(self, library: Library, folder: Path, demo: Demo) -> None:
        (folder / "blue-square.png").unlink()
        again = Demo(library, folder)
        again.start().join()
        assert {photo.file for photo in list_photos(library, again.id)} == {"red-square.png", "green-square.png"}

    def test_another_budget_lasts_until_the_next_start(self, library: Library, folder: Path, demo: Demo) -> None:
        shipped = summarize_gallery(library, demo.id).exits
        for budgets in ((1.0,), (1.0, DEFAULT_BUDGET), (0.2,)):
            again = Demo(library, folder)
            for budget in budgets:
                reencode_gallery(library, again.id, budget)
            again.start().join()
            now = summarize_gallery(library, again.id)
            assert (now.exits, now.budget) == (shipped, DEFAULT_BUDGET)

    def test_the_terminal_says_why_it_cannot_be_encoded_and_it_is_tried_again(
        self,
        database: Database,
        folder: Path,
        fake_encoder: FakeEncoder,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        away = [1, 1]  # the host of its weights
        problems = []

        def fetched() -> FakeEncoder:
            if away:
                raise EngineError("The Hub does not answer; name another model.")
            return fake_encoder

        def wait(_: float) -> None:
            problems.append((demo.ready, str(demo.problem)))
            away.pop()

        monkeypatch.setattr("app.demo.sleep", wait)
        demo = Demo(Library(database, fetched), folder)
        demo.start().join()
        assert problems == 2 * [(True, "The Hub does not answer; name another model.")]
        assert capsys.readouterr().err.count("The Hub does not answer") == 1
        assert demo.problem is None
        assert len(list_photos(Library(database, fetched), demo.id)) == 3

    def test_one_that_another_process_has_made_in_its_place_is_found(self, library: Library, demo: Demo) -> None:
        delete_gallery(library, demo.id)
        other = open_gallery(library, NAME, kind="demo")
        demo.find_again()
        assert demo.id == other

    def test_its_queries_are_those_of_the_shipped_gallery(self, library: Library) -> None:
        queries = json.loads((DEMO_GALLERY / "queries.json").read_text("utf-8"))
        assert Demo(library).queries == [row["query"] for row in queries]
        assert len(queries) >= 12


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
