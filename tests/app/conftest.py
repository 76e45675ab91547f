"""A running page's parts over a demo gallery of three colours."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gradio import Blocks
from gradio.utils import get_upload_folder
from PIL import Image

from app.demo import Demo
from app.handlers.add_photos import AddPhotos
from app.handlers.budget import Budget
from app.handlers.comparison import Compare
from app.handlers.galleries import Galleries
from app.handlers.overview import Overview
from app.handlers.photo import Selection
from app.handlers.picture_search import PictureSearch
from app.handlers.search import Search
from app.layout import build
from app.pictures import Pictures, secret_of
from app.server.start import serve
from app.server.upload_folders import Arrivals
from app.services import Services
from app.session import Session
from engine.gallery.comparison import Comparison
from engine.gallery.library import Library
from engine.utils.data_dir import home
from tests.app.shown_examples import PARTS
from tests.pictures import Fill, MakePng, dated, encoded


@pytest.fixture(autouse=True)
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test writes counts as sent: it lies where Gradio keeps uploads."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))


@pytest.fixture
def dropped(tmp_path: Path, png: MakePng) -> Callable[..., list[str]]:
    """Makes files in what stands for the folder that files arrive in."""

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


@pytest.fixture
def folder(tmp_path: Path, png: MakePng) -> Path:
    folder = tmp_path / "demo"
    folder.mkdir()
    for colour in ("red", "green", "blue"):
        (folder / f"{colour}-square.png").write_bytes(png(colour))
    (folder / "queries.json").write_text(json.dumps([{"query": "something red", "file": "red-square.png"}]))
    return folder


@pytest.fixture
def demo(library: Library, folder: Path) -> Demo:
    demo = Demo(library, folder)
    demo.start().join()
    return demo


@pytest.fixture
def pictures(library: Library) -> Pictures:
    return Pictures(library, secret_of(home()))


@pytest.fixture
def services(library: Library, demo: Demo, pictures: Pictures) -> Services:
    return Services(library, Comparison(library), demo, pictures.address)


@pytest.fixture
def page_over(folder: Path) -> Callable[[Library], Services]:
    """Makes a page over another library than the usual one, whose demo gallery is encoded."""

    def make(library: Library) -> Services:
        demo = Demo(library, folder)
        demo.start().join()
        return Services(library, Comparison(library), demo, Pictures(library, secret_of(home())).address)

    return make


@pytest.fixture
def serve_page(services: Services, pictures: Pictures) -> Iterator[Callable[..., tuple[Blocks, str]]]:
    """Serves the page, with more of what `serve` takes; returns it, and where it is served."""
    pages: list[Blocks] = []

    def begin(**options: Any) -> tuple[Blocks, str]:
        pages.append(build(services, "a secret"))
        return pages[-1], serve(pages[-1], services, pictures, Arrivals(Path(get_upload_folder())), **options)

    yield begin
    for page in pages:
        page.close()


@pytest.fixture
def address(serve_page: Callable[..., tuple[Blocks, str]]) -> str:
    """Where the page is served."""
    return serve_page()[1]


@pytest.fixture
def session(demo: Demo) -> Session:
    """Somebody who looks at the demo gallery."""
    return Session(gallery=demo.id)


@pytest.fixture
def holidays(fill: Fill) -> int:
    return fill("Holidays", {"r.png": "red", "y.png": "yellow"})


@pytest.fixture
def search(services: Services) -> Search:
    return Search(services, PARTS)


@pytest.fixture
def picture_search(services: Services, search: Search) -> PictureSearch:
    return PictureSearch(services, PARTS, search)


@pytest.fixture
def galleries(services: Services, search: Search) -> Galleries:
    return Galleries(services, PARTS, search)


@pytest.fixture
def overview(services: Services, search: Search) -> Overview:
    return Overview(services, PARTS, search)


@pytest.fixture
def add_photos(services: Services, search: Search, galleries: Galleries) -> AddPhotos:
    return AddPhotos(services, PARTS, search, galleries)


@pytest.fixture
def selection(services: Services, search: Search) -> Selection:
    return Selection(services, PARTS, search)


@pytest.fixture
def budget(services: Services) -> Budget:
    return Budget(services, PARTS)


@pytest.fixture
def compare(services: Services) -> Compare:
    return Compare(services, PARTS)


@pytest.fixture
def trip(fill: Fill) -> Session:
    """Who looks at three photos of three years."""
    photos = {"b": "2019:05:01 10:00:00", "a": "2018:05:01 10:00:00", "c": "2020:05:01 10:00:00"}
    pictures = {
        f"{name}.png": encoded(Image.new("RGB", (9, 9), (250, ord(name), 0)), "PNG", exif=dated(on))
        for name, on in photos.items()
    }
    return Session(gallery=fill("Trip", pictures))
