"""The page over HTTP, as a program meets it; a small encoder stands in for the real one."""

import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from PIL import Image

from app.demo import Demo
from app.handlers import Handlers
from app.layout import build, launch_options
from app.pictures import Pictures, secret_of
from app.uploads import taken_in
from engine.budget import BUDGET_GRID
from engine.catalog import Catalog, IngestReport, Upload
from engine.home import home
from engine.store import Store
from tests.conftest import FakeEncoder


@pytest.fixture
def folder(tmp_path: Path, png: Callable[..., bytes]) -> Path:
    """A demo gallery of three colours."""
    folder = tmp_path / "demo"
    folder.mkdir()
    for colour in ("red", "green", "blue"):
        (folder / f"{colour}-square.png").write_bytes(png(colour))
    (folder / "queries.json").write_text(json.dumps([{"query": "something red", "file": "red-square.png"}]))
    return folder


@pytest.fixture
def demo(catalog: Catalog, folder: Path) -> Demo:
    demo = Demo(catalog, folder)
    demo.start().join()
    return demo


@pytest.fixture
def pictures(catalog: Catalog) -> Pictures:
    return Pictures(catalog, secret_of(home()))


@pytest.fixture
def handlers(catalog: Catalog, demo: Demo, pictures: Pictures) -> Handlers:
    return Handlers(catalog, demo, pictures, BUDGET_GRID)


@dataclass(frozen=True)
class Event:
    """What the page's script sends along."""

    query: str = ""
    photo: str = ""


class TestOverHttp:
    @pytest.fixture
    def address(self, handlers: Handlers, pictures: Pictures) -> Iterator[str]:
        page = build(handlers)
        _, address, _ = page.launch(**launch_options(pictures), prevent_thread_lock=True)
        yield address
        page.close()

    def test_a_search_is_answered_and_everything_else_is_private(self, address: str) -> None:
        client = Client(address, verbose=False)
        hits = client.predict("red", api_name="/search")
        assert hits[0]["file"] == "red-square.png"
        assert set(hits[0]) == {"rank", "file", "score", "exit", "exits", "macs_share"}
        with pytest.raises(AppError, match='There is no gallery "nowhere"'):
            client.predict("red", "nowhere", api_name="/search")
        assert list(client.view_api(return_format="dict")["named_endpoints"]) == ["/search"]

    def test_pictures_are_served_at_their_addresses_only(
        self, address: str, catalog: Catalog, demo: Demo, pictures: Pictures
    ) -> None:
        photo, other = catalog.photos(demo.id, limit=2)
        for size in ("grid", "large"):
            answer = httpx.get(address + pictures.address(photo, size))
            assert answer.headers["content-type"] == "image/jpeg"
            assert "immutable" in answer.headers["cache-control"]
            assert Image.open(io.BytesIO(answer.content)).format == "JPEG"
        good = pictures.address(photo, "grid")
        for wrong in (
            good.replace("grid", "large"),
            good.replace(f"photo/{photo.id}/", f"photo/{other.id}/"),
            f"photo/{photo.id}/grid/{'0' * 64}.jpg",
            f"photo/{photo.id}/grid/ü.jpg",
            f"photo/{10**30}/grid/{'0' * 64}.jpg",
        ):
            assert httpx.get(address + wrong).status_code == 404

    def test_the_page_asks_no_other_host_for_anything(self, address: str) -> None:
        html = httpx.get(address).text
        assert "fonts.googleapis.com" not in html
        assert '"analytics_enabled":false' in html.replace(" ", "")


def test_addresses_are_signed_with_the_data_folders_own_secret(catalog: Catalog, demo: Demo, tmp_path: Path) -> None:
    photo = catalog.photos(demo.id)[0]
    ours = Pictures(catalog, secret_of(home())).address(photo, "grid")
    (tmp_path / "other").mkdir()
    assert ours == Pictures(catalog, secret_of(home())).address(photo, "grid")
    assert ours != Pictures(catalog, secret_of(tmp_path / "other")).address(photo, "grid")
    assert (home() / "secret.key").stat().st_mode & 0o077 == 0


def test_a_secret_that_was_never_written_whole_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "secret.key").touch()
    assert len(secret_of(tmp_path)) == 32
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


class TestDemo:
    def test_it_is_encoded_once(self, catalog: Catalog, folder: Path, demo: Demo, fake_encoder: FakeEncoder) -> None:
        assert demo.ready
        assert fake_encoder.batches == [3]
        again = Demo(catalog, folder)
        again.start().join()
        assert again.id == demo.id
        assert fake_encoder.batches == [3]

    def test_another_model_encodes_it_anew(self, store: Store, folder: Path, demo: Demo) -> None:
        newer = FakeEncoder()
        newer.identity = replace(newer.identity, weights="c" * 64)
        catalog = Catalog(store, lambda: newer)
        again = Demo(catalog, folder)
        again.start().join()
        assert again.problem is None
        assert again.ids == [demo.id, again.id]
        assert [hit.photo.file for hit in catalog.search(again.id, "green", k=1)] == ["green-square.png"]

    def test_photos_that_left_the_folder_leave_the_gallery(self, catalog: Catalog, folder: Path, demo: Demo) -> None:
        (folder / "blue-square.png").unlink()
        again = Demo(catalog, folder)
        again.start().join()
        assert {photo.file for photo in catalog.photos(again.id)} == {"red-square.png", "green-square.png"}

    def test_every_query_of_the_shipped_gallery_names_a_photo_with_an_attribution(self, catalog: Catalog) -> None:
        gallery = Path(__file__).parents[1] / "assets" / "gallery"
        photos = {path.name for path in gallery.glob("*.jpg")}
        queries = Demo(catalog).queries
        assert len({query.file for query in queries}) == len(queries) >= 12
        assert {query.file for query in queries} <= photos
        rows = (gallery / "ATTRIBUTION.md").read_text("utf-8")
        assert all(f"| {photo} |" in rows for photo in photos)


class TestHandlers:
    def test_the_first_visit_is_answered_already(self, handlers: Handlers) -> None:
        gallery, query, timer, headline, examples, grid, panel, histogram = handlers.opened()
        assert gallery["choices"] == [("Demo gallery · 3", gallery["value"])]
        assert query == "something red"
        assert not timer["active"]
        assert "<b>3</b> photos" in headline
        assert 'data-query="something red"' in examples
        assert grid.index("red square") < grid.index("green square")
        assert "red-square.png" in panel
        assert "Where photos leave" in histogram

    def test_before_the_demo_gallery_is_ready_its_progress_is_shown(
        self, catalog: Catalog, folder: Path, pictures: Pictures
    ) -> None:
        handlers = Handlers(catalog, Demo(catalog, folder), pictures, BUDGET_GRID)
        _, _, timer, *_, grid, _, _ = handlers.opened()
        assert timer["active"]
        assert "Encoding the demo gallery" in grid

    def test_a_demo_that_cannot_be_encoded_is_a_sentence(self, store: Store, folder: Path, pictures: Pictures) -> None:
        def broken() -> FakeEncoder:
            raise ZeroDivisionError

        catalog = Catalog(store, broken)
        demo = Demo(catalog, folder)
        thread_error = threading.excepthook
        threading.excepthook = lambda _: None
        demo.start().join()
        threading.excepthook = thread_error
        _, _, timer, *_, grid, _, _ = Handlers(catalog, demo, pictures, BUDGET_GRID).opened()
        assert not timer["active"]
        assert "That did not work" in grid

    def test_words_find_photos(self, handlers: Handlers, demo: Demo) -> None:
        grid, panel = handlers.searched("blue", demo.id)
        assert grid.index("blue square") < grid.index("red square")
        assert "blue-square.png" in panel

    def test_an_example_fills_the_search_box(self, handlers: Handlers, demo: Demo) -> None:
        query, grid, _ = handlers.tried(Event(query="green"), demo.id)
        assert query == "green"
        assert grid.index("green square") < grid.index("red square")

    def test_without_words_the_gallerys_photos_are_shown(self, handlers: Handlers, demo: Demo) -> None:
        grid, _ = handlers.searched("  ", demo.id)
        assert grid.count("data-photo") == 3

    @pytest.mark.parametrize("text", ["x" * 100_000, "\x00", "\ud800", "<b>", "🦦"])
    def test_any_text_is_a_query(self, handlers: Handlers, demo: Demo, text: str) -> None:
        assert "data-photo" in handlers.searched(text, demo.id)[0]

    def test_a_gallery_that_is_gone_is_a_sentence(self, handlers: Handlers) -> None:
        assert "That did not work" in handlers.searched("red", 999)[0]
        assert "That did not work" in handlers.picked(999)[4]

    def test_a_page_that_was_open_before_the_demo_was_renewed_goes_on_to_the_new_one(
        self, store: Store, folder: Path, demo: Demo
    ) -> None:
        newer = FakeEncoder()
        newer.identity = replace(newer.identity, weights="c" * 64)
        catalog = Catalog(store, lambda: newer)
        again = Demo(catalog, folder)
        again.start().join()
        handlers = Handlers(catalog, again, Pictures(catalog, secret_of(home())), BUDGET_GRID)
        choice, query, timer, *_ = handlers.waited(demo.id)
        assert (choice["value"], query) == (again.id, "something red")
        assert not timer["active"]

    def test_a_gallery_of_another_model_is_a_sentence_not_a_wrong_strip(
        self, handlers: Handlers, catalog: Catalog, upload: Callable[..., Upload]
    ) -> None:
        gallery = catalog.open_collection("Holidays")
        catalog.ingest(gallery, [upload("r.png", "red")])
        catalog.encoder.identity = replace(catalog.encoder.identity, weights="c" * 64)
        assert "encode its photos again" in handlers.picked(gallery)[4]
        assert "encode its photos again" in handlers.searched("", gallery)[0]

    def test_a_photo_of_a_model_without_exits_has_a_panel(
        self, store: Store, folder: Path, fake_encoder: FakeEncoder
    ) -> None:
        stages = tuple(replace(s, exit=1 if s.exit == fake_encoder.exits else None) for s in fake_encoder.stages)
        full = FakeEncoder(exits=1, costs=(100,), stages=stages)
        catalog = Catalog(store, lambda: full)
        demo = Demo(catalog, folder)
        demo.start().join()
        handlers = Handlers(catalog, demo, Pictures(catalog, secret_of(home())), BUDGET_GRID)
        assert "went all the way" in handlers.searched("red", demo.id)[1]

    def test_a_photo_is_selected(self, handlers: Handlers, catalog: Catalog, demo: Demo) -> None:
        photo = catalog.photos(demo.id)[0]
        assert photo.file in handlers.selected(Event(photo=str(photo.id)))
        for gone in ("999", "x", "", "9" * 30):
            assert "search again" in handlers.selected(Event(photo=gone))

    def test_the_gate_shown_is_that_of_the_photos_budget(
        self, handlers: Handlers, catalog: Catalog, demo: Demo
    ) -> None:
        photo = catalog.photos(demo.id)[0]
        assert "gate 1.00" in handlers.selected(Event(photo=str(photo.id)))


class TestUploads:
    @pytest.fixture
    def dropped(self, tmp_path: Path, png: Callable[..., bytes]) -> Callable[..., list[str]]:
        """Makes files in what stands for Gradio's cache."""

        def drop(**contents: str | bytes) -> list[str]:
            cache = tmp_path / "cache"
            cache.mkdir(exist_ok=True)
            files = []
            for name, content in contents.items():
                path = cache / name
                path.write_bytes(content if isinstance(content, bytes) else png(content))
                files.append(str(path))
            return files

        return drop

    def test_good_files_are_stored_and_bad_ones_named(
        self, handlers: Handlers, dropped: Callable[..., list[str]]
    ) -> None:
        files = dropped(yellow="yellow", text=b"hello", empty=b"", green="green")
        *_, (drop, account, gallery, query, headline, _, grid, _, _) = handlers.uploaded(files, "Holidays")
        assert drop is None
        assert "2</b> photos added to “Holidays”" in account
        assert "text</span>" in account
        assert "empty</span>" in account
        assert ("Holidays · 2", gallery["value"]) in gallery["choices"]
        assert query == ""
        assert "<b>2</b> photos" in headline
        assert grid.count("data-photo") == 2

    def test_the_same_photos_again_are_no_new_photos(
        self, handlers: Handlers, dropped: Callable[..., list[str]]
    ) -> None:
        list(handlers.uploaded(dropped(red="red"), "Holidays"))
        *_, (_, account, *_) = handlers.uploaded(dropped(red="red", blue="blue"), "Holidays")
        assert "1</b> photo added" in account
        assert "1 was here already" in account

    def test_nothing_stays_in_gradios_cache(
        self, handlers: Handlers, dropped: Callable[..., list[str]], tmp_path: Path
    ) -> None:
        files = dropped(red="red", text=b"hello")
        *_, (_, account, *_) = handlers.uploaded([*files, files[0]], "")
        assert "1</b> photo added" in account
        assert "1 was here already" in account
        assert not list((tmp_path / "cache").iterdir())
        assert not list(home().glob("incoming-*"))

    def test_what_a_killed_upload_left_behind_is_forgotten_after_a_day(
        self, handlers: Handlers, dropped: Callable[..., list[str]]
    ) -> None:
        old, recent = home() / "incoming-old", home() / "incoming-recent"
        for folder in (old, recent):
            folder.mkdir()
            (folder / "0").write_bytes(b"an original")
        os.utime(old, (0, 0))
        list(handlers.uploaded(dropped(red="red"), ""))
        assert not old.exists()
        assert recent.exists()

    def test_an_ingest_that_fails_says_so_to_the_visitor(
        self, handlers: Handlers, catalog: Catalog, dropped: Callable[..., list[str]], store: Store
    ) -> None:
        list(handlers.uploaded(dropped(red="red"), "Holidays"))
        catalog.encoder.identity = replace(catalog.encoder.identity, weights="c" * 64)
        *_, (_, account, *_) = handlers.uploaded(dropped(blue="blue"), "Holidays")
        assert "encode its photos again" in account

    def test_an_ingest_goes_on_when_the_visitor_leaves(
        self, catalog: Catalog, dropped: Callable[..., list[str]]
    ) -> None:
        gallery = catalog.open_collection("Holidays")
        events = taken_in(catalog, gallery, [Path(file) for file in dropped(red="red", blue="blue")])
        next(events)
        events.close()
        for thread in threading.enumerate():
            if thread.name == "ingest":
                thread.join(10)
        assert catalog.summary(gallery).photos == 2

    def test_the_report_comes_last(self, catalog: Catalog, dropped: Callable[..., list[str]]) -> None:
        *_, last = taken_in(catalog, catalog.open_collection("Holidays"), [Path(dropped(red="red")[0])])
        assert isinstance(last, IngestReport)
