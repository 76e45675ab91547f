"""Adding photos: dropped files and folders, or a folder of the server's own."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from pathlib import Path

import gradio as gr

from app.access import is_local
from app.handlers.galleries import NEW_GALLERY, Galleries, gallery_name
from app.handlers.search import Search
from app.parts import Parts, Updates
from app.services import Services
from app.session import Session
from app.uploads import sent, take_in
from app.views import notes, upload
from app.work import Listing, Stopped, Waiting
from engine.gallery import EngineError, IngestReport, Progress, Skipped, Upload, folder_uploads

Take = Callable[[Callable[[Iterable[list[Upload]]], IngestReport]], IngestReport]


class AddPhotos:
    """Photos into a gallery, told of as they go, and stopped with what is done kept."""

    def __init__(self, services: Services, parts: Parts, search: Search, galleries: Galleries) -> None:
        self._services, self._parts = services, parts
        self._search, self._galleries = search, galleries

    def uploaded(self, files: list[str] | None, name: str, session: Session) -> Generator[Updates, None, None]:
        """Files were dropped."""
        if not files:
            return
        try:
            paths = [sent(file) for file in files]
        except EngineError as error:
            yield {**self._emptied(), self._parts.report: self._services.problem(error)}
            return
        yield from self._take(name, session, partial(take_in, paths))

    def from_folder(self, folder: str, name: str, session: Session) -> Iterator[Updates]:
        """A folder of this machine was named; refused where strangers come."""
        report = self._parts.report
        if not is_local():
            yield {report: notes.problem("Folders of the server can be read only on the machine itself.")}
            return
        try:
            uploads = folder_uploads(Path(folder.strip()).expanduser())
        except (EngineError, OSError, RuntimeError) as error:  # the last: ~ and a name that nobody has
            yield {report: self._services.problem(error)}
            return
        if not uploads:
            yield {report: notes.problem("There is no picture in that folder, nor in any below it.")}
            return
        yield from self._take(name, session, lambda ingest: ingest([uploads]))

    def stopped(self, session: Session) -> None:
        """Stop was pressed."""
        self._services.stop("upload", session)

    def _take(self, name: str, session: Session, take: Take) -> Iterator[Updates]:
        """Photos on their way, and what became of them."""
        services, parts = self._services, self._parts
        name = gallery_name(name) or NEW_GALLERY
        title = f"Adding to “{name}”"
        yield {
            **self._emptied(),
            parts.report: upload.encoding(title, None, 0.0, None, services.address),
            parts.stop_upload: gr.update(visible=True),
        }
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
                    elif isinstance(event, Progress):
                        added += len(event.latest)
                        skipped += event.skipped
                        seconds = time.monotonic() - began
                        yield {parts.report: upload.encoding(title, event, seconds, drawing, services.address)}
                    else:
                        began = time.monotonic()  # the rate is that of encoding
                        yield {parts.report: _before(event, title)}
            except Stopped:
                yield from self._over(upload.stopped(added, skipped, name), gallery, session)
        except EngineError as error:
            yield {**self._emptied(), parts.report: services.problem(error), **self._stop_button(session)}

    def _over(self, report: str, gallery: int, session: Session) -> Iterator[Updates]:
        session.gallery = gallery
        session.ask("")
        first = {
            **self._emptied(),
            self._parts.report: report,
            **self._stop_button(session),
            **self._galleries.choice(session),
            self._parts.query: "",
            **self._galleries.remembered(session),
        }
        yield from self._search.answers(False, session, first=first)

    def _emptied(self) -> Updates:
        """Files that were taken are offered no more."""
        return {self._parts.files: None, self._parts.folder: None}

    def _stop_button(self, session: Session) -> Updates:
        """As it stands when an upload is over: another one may not be."""
        return {self._parts.stop_upload: gr.update(visible=self._services.goes_on("upload", session))}


def _before(event: Waiting | Listing, title: str) -> str:
    """What is shown before the first photo is encoded."""
    return upload.waiting(title, event.place) if isinstance(event, Waiting) else upload.listing(title, event.found)
