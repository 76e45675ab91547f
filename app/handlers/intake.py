"""Adding photos: dropped files and folders, or a folder of the server's own."""

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from app.access import is_local
from app.context import Context
from app.handlers.galleries import LONGEST_NAME, NEW_GALLERY, Galleries
from app.handlers.search import Search, unchanged
from app.uploads import sent, take_in
from app.views import intake, notes
from app.visit import Visit
from app.work import Listing, Stopped, Waiting
from engine.gallery import EngineError, IngestReport, Skipped, Upload, clean_name, folder_uploads

Take = Callable[[Callable[[Iterable[list[Upload]]], IngestReport]], IngestReport]


class Intake:
    """Photos into a gallery, told of as they go, and stopped with what is done kept."""

    def __init__(self, context: Context, search: Search, galleries: Galleries) -> None:
        self._context, self._search, self._galleries = context, search, galleries

    def uploaded(self, files: list[str] | None, name: str, visit: Visit) -> Iterator[tuple[Any, ...]]:
        """Files were dropped. Yields: file drop, account of it, stop button, gallery choice, query, browser, Found."""
        if not files:
            return
        try:
            paths = [sent(file) for file in files]
        except EngineError as error:
            yield (
                None,
                self._context.problem(error),
                gr.skip(),
                gr.skip(),
                gr.skip(),
                gr.skip(),
                *unchanged(),
            )
            return
        yield from self._take(name, visit, partial(take_in, paths))

    def from_folder(self, folder: str, name: str, visit: Visit) -> Iterator[tuple[Any, ...]]:
        """A folder of this machine was named; refused where strangers come."""
        nothing = (gr.skip(), gr.skip(), gr.skip(), *unchanged())
        if not is_local():
            yield gr.skip(), notes.problem("Folders of the server can be read only on the machine itself."), *nothing
            return
        try:
            uploads = folder_uploads(Path(folder.strip()).expanduser())
        except (EngineError, OSError, RuntimeError) as error:  # the last: ~ and a name that nobody has
            yield gr.skip(), self._context.problem(error), *nothing
            return
        if not uploads:
            yield gr.skip(), notes.problem("There is no picture in that folder, nor in any below it."), *nothing
            return
        yield from self._take(name, visit, lambda ingest: ingest([uploads]))

    def stopped(self, visit: Visit) -> None:
        """Stop was pressed."""
        self._context.stop("intake", visit)

    def _take(self, name: str, visit: Visit, take: Take) -> Iterator[tuple[Any, ...]]:
        context = self._context
        rest = (gr.skip(), gr.skip(), gr.skip(), *unchanged())
        name = clean_name(name)[:LONGEST_NAME].strip() or NEW_GALLERY
        title = f"Adding to “{name}”"
        show = partial(intake.encoding, title, address=context.address)
        yield None, show(progress=None, seconds=0.0, drawing=None), gr.update(visible=True), *rest
        added, skipped = 0, list[Skipped]()
        try:
            gallery = context.access.make(name, visit)
            drawing = context.drawing
            began = time.monotonic()
            events = context.begin(
                "intake", visit, lambda tell: take(lambda listing: context.ingest(gallery, listing, visit, tell))
            )
            try:
                for event in events:
                    if isinstance(event, IngestReport):
                        yield from self._over(intake.report(event, name), gallery, visit)
                    elif isinstance(event, Waiting):
                        yield gr.skip(), intake.waiting(title, event.place), gr.skip(), *rest
                        began = time.monotonic()
                    elif isinstance(event, Listing):
                        yield gr.skip(), intake.listing(title, event.found), gr.skip(), *rest
                        began = time.monotonic()  # the rate is that of encoding
                    else:
                        added += len(event.latest)
                        skipped += event.skipped
                        progress = show(progress=event, seconds=time.monotonic() - began, drawing=drawing)
                        yield gr.skip(), progress, gr.skip(), *rest
            except Stopped:
                yield from self._over(intake.stopped(added, skipped, name), gallery, visit)
        except EngineError as error:
            yield None, context.problem(error), self._stop_button(visit), *rest

    def _over(self, account: str, gallery: int, visit: Visit) -> Iterator[tuple[Any, ...]]:
        visit.gallery = gallery
        visit.ask("")
        for found in self._search.answers(False, visit):
            choice, kept = self._galleries.choice(visit), self._galleries.kept(visit)
            yield None, account, self._stop_button(visit), choice, "", kept, *found

    def _stop_button(self, visit: Visit) -> Any:
        """As it stands when an upload is over: another one may not be."""
        return gr.update(visible=self._context.goes_on("intake", visit))
