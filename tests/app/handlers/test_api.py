"""The named endpoints do what docs/api.md says, and mistakes are sentences."""

import json
import re
from pathlib import Path
from threading import Event
from typing import Any
from unittest.mock import AsyncMock, Mock

import gradio as gr
import httpx
import pytest
from gradio.utils import get_upload_folder
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from app.demo import Demo
from app.handlers.api import Api
from app.handlers.comparison import Compare
from app.handlers.picture_search import PictureSearch
from app.handlers.search import Search
from app.services import Services
from app.session import Session
from app.uploading.sent_files import NotUploaded, sent
from engine.gallery.galleries import list_galleries, open_gallery
from engine.utils.errors import ModelUnreadable
from tests.app.shown_examples import PARTS
from tests.pictures import MakePng
from tests.zip_files import zipped

DOCS = Path(__file__).parents[3] / "docs" / "api.md"
URL = "https://example.com/a.png"
ENDPOINTS = ["/search", "/galleries", "/explain", "/compare", "/add_photos", "/sort"]


def posted(address: str, data: list[Any]) -> str:
    """What add_photos answers to a call that is made by hand; the client would send a file of its own."""
    door = f"{address}gradio_api/call/add_photos"
    event = httpx.post(door, json={"data": data}, timeout=30).json()["event_id"]
    return httpx.get(f"{door}/{event}", timeout=30).text


def test_no_call_skips_the_queue(address: str) -> None:
    for route in ("run", "api"):
        for name in ENDPOINTS:
            answer = httpx.post(f"{address}gradio_api/{route}{name}", json={"data": [None] * 5}, follow_redirects=True)
            assert answer.status_code == 404


def test_who_compares_waits_for_nobodys_race(
    address: str, services: Services, demo: Demo, holidays: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.comparison.race(demo.id)
    racing, over = Event(), Event()

    def race(gallery: int) -> None:
        racing.set()
        over.wait(60)

    monkeypatch.setattr(services.comparison, "race", race)
    client = Client(address, verbose=False)
    client.submit("red", "Holidays", api_name="/compare")
    assert racing.wait(30)
    try:
        found = client.submit("something red", api_name="/compare").result(timeout=30)
    finally:
        over.set()
    assert found["full"][0] == "red-square.png"


def test_the_examples_of_the_docs_run_and_mistakes_are_sentences(
    address: str, tmp_path: Path, png: MakePng, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dog.jpg").write_bytes(png("yellow"))
    (tmp_path / "holiday.zip").write_bytes(zipped({"a.png": png("red"), "b.png": b"no photo"}))
    (example,) = re.findall(r"```python\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    told: dict[str, Any] = {}
    exec(example.replace("http://127.0.0.1:7860", address), told)
    assert told["best"]["file"] == "red-square.png"
    of_a_hit = {"rank", "file", "score", "exit", "exits", "macs_share", "taken_at", "fits", "photo", "picture"}
    assert told["best"].keys() == of_a_hit
    assert (told["report"]["added"], told["report"]["visitor"]) == (1, "")
    assert told["report"]["skipped"] == [{"file": "holiday.zip/b.png", "reason": "not a picture (it is text)"}]
    assert [hit["fits"] for hit in told["hits"]] == [True, False, False]
    assert told["found"][0]["file"] == "dog.jpg"
    assert len(told["told"]["scores"]) == 3
    assert told["sorted_photos"]["albums"] == [{"name": "reds", "photos": 1}, {"name": "something yellow", "photos": 1}]
    assert told["both"]["early"] == told["both"]["full"] == ["holiday.zip/a.png", "dog.jpg"]
    ranked = [hit["photo"] for hit in told["client"].predict("something red", "Holiday", 2, api_name="/search")]
    assert told["both"]["early_photos"] == told["both"]["full_photos"] == ranked
    assert httpx.get(address + told["best"]["picture"]).headers["content-type"] == "image/jpeg"

    client = told["client"]
    api = client.view_api(return_format="dict")["named_endpoints"]
    assert sorted(api) == sorted(ENDPOINTS)
    assert all(endpoint["description"] for endpoint in api.values())
    for call, sentence in [
        (("red", "nowhere", 5, "", "/search"), 'There is no gallery "nowhere"'),
        (("red", "", 0, "", "/search"), "k is a whole number from 1 to 100"),
        (("red", "", 1e300, "", "/search"), "k is a whole number"),
        (("", "", 0.6, "", "/sort"), "Say into which albums"),
        (("red\nRed", "", 0.6, "", "/sort"), "Two albums are named"),
        (("red", "", 2, "", "/sort"), "budget is a number from 0 to 1"),
        (("red", "", "many", "", "/search"), "k is a whole number"),
        ((["red"], "", 5, "", "/search"), "text is a string"),
        (("x" * 100_000, "", 5, "", "/search"), "A query may have 500 characters"),
        ((" + ".join("x" * 20), "", 5, "", "/search"), "A query may have 12 terms"),
        (("red", 0, 5, "", "/search"), "gallery is a string"),
        (("red", False, 0.6, "", "/sort"), "gallery is a string"),
        (("red", [], 5, "", "/compare"), "gallery is a string"),
        ((10**9, "red", "", "/explain"), "There is no photo"),
        ((-1, "red", "", "/explain"), "photo is a whole number"),
        (("", "", 5, "", "/compare"), "Say what the photos show"),
        ((None, "Holiday", "", "/add_photos"), "Say which file"),
        ((handle_file(str(tmp_path / "dog.jpg")), " ", "", "/add_photos"), "Say which file"),
    ]:
        *arguments, name = call
        with pytest.raises((AppError, ValueError), match=sentence):
            client.predict(*arguments, api_name=name)
    for text in ("\0", "\ud800", "🦦", "\u202e", "<b>", "- red"):
        with_surrogates = text.encode("utf-8", "replace").decode()
        assert client.predict(with_surrogates, "", 1, "", api_name="/search")

    for gallery in client.predict(api_name="/galleries"):
        assert client.predict("red", gallery["name"], 1, "", api_name="/search"), "what is listed can be searched"

    health = httpx.get(f"{address}health").json()
    assert (health["status"], health["demo"]) == ("ok", "ready")
    assert health["events"]["search"]["count"] >= 2
    assert not {"something", "red", "Holiday", "dog"} & set(re.findall(r"\w+", json.dumps(health)))


@pytest.mark.parametrize("name", ["My  Photos", " lead", "x" * 100, "a\u202eb"])
def test_a_gallery_is_found_by_the_name_that_it_was_given(
    services: Services, name: str, tmp_path: Path, png: MakePng
) -> None:
    api, file = Api(services), tmp_path / "arrived" / "dog.png"
    file.parent.mkdir()
    file.write_bytes(png("red"))
    kept = api.add_photos(str(file), name)["gallery"]
    for called in (name, kept):
        assert [hit["file"] for hit in api.search("red", called)] == ["dog.png"]


def test_a_file_that_is_no_photo_leaves_no_gallery(services: Services, tmp_path: Path) -> None:
    api, file = Api(services), tmp_path / "arrived" / "dog.txt"
    file.parent.mkdir()
    file.write_bytes(b"no photo")
    open_gallery(services.library, "Mine")
    for name in ("New", "Mine"):
        assert [skip["file"] for skip in api.add_photos(str(file), name)["skipped"]] == ["dog.txt"]
    assert {summary.name for summary in list_galleries(services.library)} == {"Demo gallery", "Mine"}


def test_a_gallery_is_found_by_a_name_that_add_photos_would_not_keep(services: Services) -> None:
    open_gallery(services.library, "two  blanks")
    assert Api(services).search("red", "two  blanks") == []


@pytest.mark.parametrize("gallery", [None, 5, ["Mine"], True])
def test_a_name_of_a_gallery_is_a_text(services: Services, gallery: Any, tmp_path: Path) -> None:
    with pytest.raises(gr.Error, match="gallery is a string"):
        Api(services).add_photos(str(tmp_path / "dog.png"), gallery)
    assert [summary.name for summary in list_galleries(services.library)] == ["Demo gallery"]


def test_what_was_not_sent_is_no_upload_and_is_not_fetched(
    address: str,
    tmp_path_factory: pytest.TempPathFactory,
    png: MakePng,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fetch = AsyncMock()
    monkeypatch.setattr("gradio.processing_utils.async_ssrf_protected_download", fetch)
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.png"  # a file of the server's own
    secret.write_bytes(png("red"))
    (others,) = httpx.post(f"{address}gradio_api/upload", files={"files": ("secret.png", png("red"))}).json()
    folders = [get_upload_folder(), str(Path(others).parent)]  # they hold what others have sent
    marked = [{"path": path, "meta": {"_type": "gradio.FileData"}} for path in (URL, str(secret), *folders)]
    calls: list[list[Any]] = [[file, "Mine", ""] for file in (*marked, {"path": str(secret)}, str(secret))]
    calls += [[None, marked[0], ""], [None, "Mine", [{"a": marked[0]}]]]
    for call in calls:
        assert "event: error" in posted(address, call)
    assert "send it along" in posted(address, ["dog.png", "Mine", ""]), "a path, as who forgets handle_file sends it"
    fetch.assert_not_called()
    # The page's own handlers, called by hand.
    pictures = PictureSearch(services, PARTS, Search(services, PARTS))
    shown = [*pictures.picture_given(str(secret), False, Session(gallery=services.demo.id))]
    assert "not sent" in str(shown)
    for folder in folders:
        with pytest.raises(NotUploaded, match="not sent"):
            sent(folder)
    assert secret.exists()
    assert Path(others).exists()
    assert [summary.name for summary in list_galleries(services.library)] == ["Demo gallery"]


def test_a_gallery_that_the_page_has_ranked_without_a_race_is_raced(services: Services, session: Session) -> None:
    list(Compare(services, PARTS).shown(session))
    answer = Api(services).compare("red")
    assert (answer["full"][0], answer["photos"]) == ("red-square.png", 3)
    assert answer["full_per_second"] > 0


def test_a_database_that_fails_or_hangs_and_a_model_that_is_not_there_are_seen_by_the_host(
    address: str, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as failing:
        failing.setattr("engine.gallery.galleries._summary", Mock(side_effect=OSError))
        answer = httpx.get(f"{address}health")
    assert (answer.status_code, answer.json()["status"]) == (503, "failing")
    over = Event()
    monkeypatch.setattr("app.health.SECONDS", 0.1)
    with monkeypatch.context() as hanging:
        hanging.setattr("engine.gallery.galleries._summary", lambda *_: over.wait())
        answers = [httpx.get(f"{address}health") for _ in range(3)]
    over.set()
    assert [(answer.status_code, answer.json()["reason"]) for answer in answers] == 3 * [(503, "TimeoutError")]
    services.demo.problem = ModelUnreadable("no model")
    answer = httpx.get(f"{address}health")
    assert (answer.status_code, answer.json()["reason"]) == (503, "ModelUnreadable")
