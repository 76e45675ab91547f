"""Adding photos: dropped files and folders, or a folder of the server's own."""

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from app.access import is_local
from app.handlers.galleries import LONGEST_NAME, NEW_GALLERY, Galleries
from app.handlers.search import Search, unchanged
from app.services import Services
from app.session import Session
from app.uploads import sent, take_in
from app.views import notes, upload
from app.work import Listing, Stopped, Waiting
from engine.gallery import EngineError, IngestReport, Skipped, Upload, clean_name, folder_uploads

Take = Callable[[Callable[[Iterable[list[Upload]]], IngestReport]], IngestReport]


class AddPhotos:
    """Photos into a gallery, told of as they go, and stopped with what is done kept."""

    def __init__(self, services: Services, search: Search, galleries: Galleries) -> None:
        self._services, self._search, self._galleries = services, search, galleries

    def uploaded(self, files: list[str] | None, name: str, session: Session) -> Iterator[tuple[Any, ...]]:
        """Files were dropped. Yields: file drop, account of it, stop button, gallery choice, query, browser, Found."""
        if not files:
            return
        try:
            paths = [sent(file) for file in files]
        except EngineError as error:
            yield (
                None,
                self._services.problem(error),
                gr.skip(),
                gr.skip(),
                gr.skip(),
                gr.skip(),
                *unchanged(),
            )
            return
        yield from self._take(name, session, partial(take_in, paths))

    def from_folder(self, folder: str, name: str, session: Session) -> Iterator[tuple[Any, ...]]:
        """A folder of this machine was named; refused where strangers come."""
        nothing = (gr.skip(), gr.skip(), gr.skip(), *unchanged())
        if not is_local():
            yield gr.skip(), notes.problem("Folders of the server can be read only on the machine itself."), *nothing
            return
        try:
            uploads = folder_uploads(Path(folder.strip()).expanduser())
        except (EngineError, OSError, RuntimeError) as error:  # the last: ~ and a name that nobody has
            yield gr.skip(), self._services.problem(error), *nothing
            return
        if not uploads:
            yield gr.skip(), notes.problem("There is no picture in that folder, nor in any below it."), *nothing
            return
        yield from self._take(name, session, lambda ingest: ingest([uploads]))

    def stopped(self, session: Session) -> None:
        """Stop was pressed."""
        self._services.stop("upload", session)

    def _take(self, name: str, session: Session, take: Take) -> Iterator[tuple[Any, ...]]:
        services = self._services
        rest = (gr.skip(), gr.skip(), gr.skip(), *unchanged())
        name = clean_name(name)[:LONGEST_NAME].strip() or NEW_GALLERY
        title = f"Adding to “{name}”"
        show = partial(upload.encoding, title, address=services.address)
        yield None, show(progress=None, seconds=0.0, drawing=None), gr.update(visible=True), *rest
        added, skipped = 0, list[Skipped]()
        try:
            gallery = services.access.make(name, session)
            drawing = services.drawing
            began = time.monotonic()
            events = services.begin(
                "upload", session, lambda tell: take(lambda listing: services.ingest(gallery, listing, session, tell))
            )
            try:
                for event in events:
                    if isinstance(event, IngestReport):
                        yield from self._over(upload.report(event, name), gallery, session)
                    elif isinstance(event, Waiting):
                        yield gr.skip(), upload.waiting(title, event.place), gr.skip(), *rest
                        began = time.monotonic()
                    elif isinstance(event, Listing):
                        yield gr.skip(), upload.listing(title, event.found), gr.skip(), *rest
                        began = time.monotonic()  # the rate is that of encoding
                    else:
                        added += len(event.latest)
                        skipped += event.skipped
                        progress = show(progress=event, seconds=time.monotonic() - began, drawing=drawing)
                        yield gr.skip(), progress, gr.skip(), *rest
            except Stopped:
                yield from self._over(upload.stopped(added, skipped, name), gallery, session)
        except EngineError as error:
            yield None, services.problem(error), self._stop_button(session), *rest

    def _over(self, account: str, gallery: int, session: Session) -> Iterator[tuple[Any, ...]]:
        session.gallery = gallery
        session.ask("")
        for found in self._search.answers(False, session):
            choice, kept = self._galleries.choice(session), self._galleries.kept(session)
            yield None, account, self._stop_button(session), choice, "", kept, *found

    def _stop_button(self, session: Session) -> Any:
        """As it stands when an upload is over: another one may not be."""
        return gr.update(visible=self._services.goes_on("upload", session))
