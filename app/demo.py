"""The demo gallery: encoded at the first start, reused later."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep

from app.attribution import attributions
from app.event_log import where
from engine.gallery import (
    DEFAULT_BUDGET,
    DEMO_GALLERY,
    EngineError,
    GalleryMissing,
    HostProblem,
    Library,
    ModelChanged,
    Progress,
    deeper_than,
    delete_gallery,
    first_line,
    folder_uploads,
    ingest_files,
    list_photos,
    open_gallery,
    progress_bar,
    require_model,
    summarize_gallery,
)

NAME = "Demo gallery"
RETRY = 60.0  # seconds until what went wrong is tried again: a disk has room then, say, or a lock is free


class Demo:
    """The demo gallery on its way into the store, and what can be asked of it."""

    def __init__(self, library: Library, folder: Path = DEMO_GALLERY) -> None:
        self._library = library
        self._folder = folder
        self._done = Event()
        self.queries = [row["query"] for row in json.loads((folder / "queries.json").read_text("utf-8"))]
        table = folder / "ATTRIBUTION.md"
        self.credits = attributions(table) if table.is_file() else {}
        self.ids = [open_gallery(library, NAME, kind="demo")]  # the last one counts; a page may still show one before
        self.stored = bool(list_photos(library, self.id, limit=1))  # by an earlier start
        self.began = 0.0  # monotonic seconds: when the first photo went to the encoder
        self.progress: Progress | None = None
        self.problem: EngineError | None = None  # why it cannot be encoded

    def start(self) -> Thread:
        """Begin to take in what is not there yet, beside the page that already answers."""
        thread = Thread(target=self._keep_encoding, name="demo", daemon=True)
        thread.start()
        return thread

    def find_again(self) -> None:
        """Go on with the one that another process has made in its place: its photos or its model are others."""
        try:
            summarize_gallery(self._library, self.id)
        except GalleryMissing:
            self.ids.append(open_gallery(self._library, NAME, kind="demo"))

    @property
    def first_query(self) -> str:
        """What is asked of it before the visitor asks anything."""
        return self.queries[0]

    @property
    def id(self) -> int:
        """The collection that the demo gallery is kept in."""
        return self.ids[-1]

    @property
    def ready(self) -> bool:
        """Nothing is left to encode."""
        return self._done.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait until it is ready, at most so long; returns whether it is."""
        return self._done.wait(seconds)

    def _keep_encoding(self) -> None:
        while not self._encoded():
            sleep(RETRY)

    def _encoded(self) -> bool:
        try:
            self._renew_if_outdated()
            with progress_bar("photos of the demo gallery") as show:
                _ = self._library.encoder  # loading it is not part of the rate
                self.began = monotonic()
                uploads = folder_uploads(self._folder)
                ingest_files(self._library, self.id, uploads, DEFAULT_BUDGET, lambda now: self._tell(now, show))
            self.problem = None
        except EngineError as error:  # a model that is not there, say
            if str(error) != str(self.problem):
                sys.stderr.write(f"{error}\n")
            self.problem = error
        except Exception as error:  # what nobody foresaw may pass, too; none of it is a visitor's
            problem = HostProblem(
                f"The demo gallery could not be encoded ({first_line(error)}). It is tried again every minute; if that "
                "does not help, start the page again."
            )
            if str(problem) != str(self.problem):
                sys.stderr.write(f"{where(error)}{problem}\n")
            self.problem = problem
        finally:
            self._done.set()
        return self.problem is None

    def _renew_if_outdated(self) -> None:
        """Drop photos of an earlier demo gallery or model, which costs a few seconds of encoding.

        So it does those that searches once ran deeper, or another budget: everybody finds what is shipped.
        """
        present = {upload.name for upload in folder_uploads(self._folder)}
        photos = list_photos(self._library, self.id, limit=10_000)
        now = summarize_gallery(self._library, self.id)
        outdated = any(photo.file not in present for photo in photos) or sum(p.macs for p in photos) > now.macs_index
        outdated |= bool(now.phrases or now.by_other_phrases) or now.budget not in (None, DEFAULT_BUDGET)
        outdated |= deeper_than(photos, DEFAULT_BUDGET) > 0  # another budget was chosen for a while
        try:
            require_model(self._library, self.id)
        except ModelChanged:
            outdated = True
        if outdated:
            delete_gallery(self._library, self.id)
            self.stored = False
            self.ids.append(open_gallery(self._library, NAME, kind="demo"))

    def _tell(self, now: Progress, show: Callable[[int, int], None]) -> None:
        if now.latest:  # at later starts there is nothing to tell
            show(now.done, now.total)
            self.progress = now
