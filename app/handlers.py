"""What happens when a visitor does something: plain functions from what they gave to what is shown."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
import numpy as np

from app import views
from app.demo import Demo
from app.pictures import Pictures
from app.uploads import taken_in
from engine.catalog import Catalog, GallerySummary, IngestReport, Photo
from engine.errors import EngineError
from engine.images import clean_name
from engine.store import GalleryMissing

SHOWN = 24  # photos on the page
EXAMPLES = 7
LONGEST_QUERY = 500  # characters; the model reads about thirty words
NEW_GALLERY = "My photos"
PATIENCE = 300.0  # seconds that a search over HTTP waits for the demo gallery at the first start

FIRST_START = "Encoding the demo gallery"
FIRST_START_NOTE = "Once only: later starts reuse what is stored. Each photo leaves the encoder as soon as it can."


class Shown(NamedTuple):
    """A gallery on the page, top to bottom."""

    headline: Any
    examples: Any
    grid: Any
    panel: Any
    histogram: Any


class Handlers:
    """The page's events, over one catalog."""

    def __init__(self, catalog: Catalog, demo: Demo, pictures: Pictures, budgets: Sequence[float]) -> None:
        """`budgets` is the grid at which gate values are kept."""
        self._catalog = catalog
        self._demo = demo
        self._address = pictures.address
        self._budgets = np.asarray(budgets)

    def opened(self) -> tuple[Any, ...]:
        """A visitor comes: the demo gallery, with one query already answered.

        Returns: gallery choice, query, timer, and Shown.
        """
        try:
            gallery = self._choice(self._demo.id)
            if self._demo.problem:
                return gallery, "", gr.update(active=False), *_only(views.problem(self._demo.problem))
            if not self._demo.ready:
                return gallery, "", gr.update(active=True), *_only(self._encoding_demo())
            query = self._demo.queries[0].query
            return gallery, query, gr.update(active=False), *self._shown(self._demo.id, query)
        except EngineError as error:
            return gr.skip(), "", gr.update(active=False), *_only(views.problem(str(error)))

    def waited(self, gallery: int) -> tuple[Any, ...]:
        """A second has passed while the demo gallery is encoded; a visitor who looks at another one is let be."""
        if gallery not in self._demo.ids:
            return gr.skip(), gr.skip(), gr.update(active=not self._demo.ready), *_unchanged()
        return self.opened()

    def searched(self, text: str, gallery: int) -> tuple[str, str]:
        """Words were typed. Returns: grid, panel."""
        try:
            return self._found(gallery, text)
        except EngineError as error:
            return views.problem(str(error)), ""

    def tried(self, event: gr.EventData, gallery: int) -> tuple[str, str, str]:
        """An example was chosen. Returns: query, grid, panel."""
        text = _query(str(event.query))
        return text, *self.searched(text, gallery)

    def selected(self, event: gr.EventData) -> str:
        """A photo was chosen. Returns: panel."""
        try:
            return self._panel(self._catalog.photo(int(event.photo)), picked=True)
        except (EngineError, ValueError, OverflowError):
            return views.problem("This photo is not there any more; search again.")

    def picked(self, gallery: int) -> tuple[Any, ...]:
        """A gallery was chosen. Returns: query, name for uploads, and Shown."""
        if gallery == self._demo.id:
            _, query, _, *shown = self.opened()
            return query, NEW_GALLERY, *shown
        try:
            return "", self._catalog.summary(gallery).name, *self._shown(gallery, "")
        except EngineError as error:
            return "", NEW_GALLERY, *_only(views.problem(str(error)))

    def uploaded(self, files: list[str], name: str) -> Iterator[tuple[Any, ...]]:
        """Photos were dropped. Yields: file drop, account of the upload, gallery choice, query, and Shown."""
        nothing = (gr.skip(), gr.skip(), *_unchanged())
        if not files:
            return
        name = clean_name(name)[:80].strip() or NEW_GALLERY
        title = f"Encoding {len(files)} {views.photos_word(len(files))}"
        yield gr.skip(), views.encoding(title, None, 0.0, None, self._address), *nothing
        try:
            gallery = self._catalog.open_collection(name)
            stages = self._catalog.encoder.stages
            began = time.monotonic()
            for event in taken_in(self._catalog, gallery, [Path(file) for file in files]):
                if isinstance(event, IngestReport):
                    # The drop is emptied, ready for more.
                    done = views.report(event, name)
                    yield None, done, self._choice(gallery), "", *self._shown(gallery, "")
                else:
                    seconds = time.monotonic() - began
                    yield gr.skip(), views.encoding(title, event, seconds, stages, self._address), *nothing
        except EngineError as error:
            yield None, views.problem(str(error)), *nothing

    def search(self, text: str, gallery: str = "", k: int = 20) -> list[dict[str, Any]]:
        """The photos of a gallery that fit a text best.

        Args:
            text: what the photo shows.
            gallery: its name; by default the demo gallery.
            k: how many photos, at most 100.
        Returns: rank, file, score, exit, exits and macs_share of each, best first.
        """
        try:
            if not gallery:
                self._demo.wait(PATIENCE)
            collection = self._catalog.find(gallery) if gallery else self._demo.id
            if collection is None:
                raise GalleryMissing(f'There is no gallery "{gallery}".')
            hits = self._catalog.search(collection, _query(text), min(max(int(k), 1), 100))
        except EngineError as error:
            raise gr.Error(str(error)) from error
        return [hit.row() for hit in hits]

    def _shown(self, gallery: int, text: str) -> Shown:
        summary = self._catalog.summary(gallery)
        queries = [query.query for query in self._demo.queries[:EXAMPLES]] if gallery == self._demo.id else []
        grid, panel = self._found(gallery, text)
        stages = self._catalog.encoder.stages
        return Shown(views.headline(summary), views.examples(queries), grid, panel, views.histogram(summary, stages))

    def _found(self, gallery: int, text: str) -> tuple[str, str]:
        """Grid and panel: what fits the text, or without one the gallery's first photos."""
        self._catalog.require_model(gallery)  # another model's photos do not fit this one's strip
        stages = self._catalog.encoder.stages
        if text.strip():
            hits = self._catalog.search(gallery, _query(text), SHOWN)
            if hits:
                return views.results(hits, stages, self._address), self._panel(hits[0].photo)
        else:
            photos = self._catalog.photos(gallery, limit=SHOWN)
            if photos:
                more = self._catalog.summary(gallery).photos - len(photos)
                return views.shelf(photos, stages, self._address, more), self._panel(photos[0])
        return views.note("An empty gallery", "Drop photos below, then type what to look for."), ""

    def _panel(self, photo: Photo, picked: bool = False) -> str:
        encoder = self._catalog.encoder
        column = int(np.abs(self._budgets - photo.budget).argmin())
        gates = photo.gates[:, column].tolist() if photo.gates.size else []  # a model without exits has none
        return views.panel(photo, encoder.stages, encoder.full_macs, gates, self._address, picked)

    def _choice(self, gallery: int) -> Any:
        return gr.update(
            choices=[(_label(summary), summary.id) for summary in self._catalog.galleries()], value=gallery
        )

    def _encoding_demo(self) -> str:
        now = self._demo.progress
        stages = self._catalog.encoder.stages if now else None
        seconds = time.monotonic() - self._demo.began
        return views.encoding(FIRST_START, now, seconds, stages, self._address, FIRST_START_NOTE)


def _query(text: str) -> str:
    """A query short enough to read, of characters that can be written down."""
    return text[:LONGEST_QUERY].encode("utf-8", "replace").decode("utf-8")


def _label(summary: GallerySummary) -> str:
    return f"{summary.name} · {summary.photos}"


def _only(grid: str) -> Shown:
    """One thing in the middle of the page and nothing else to see."""
    return Shown("", "", grid, "", "")


def _unchanged() -> Shown:
    return Shown(*(gr.skip() for _ in Shown._fields))
