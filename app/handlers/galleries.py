"""Galleries: opened, picked, renamed, published, deleted, and seen as a whole."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import gradio as gr

from app.handlers.budget import typed
from app.handlers.events import sent_along
from app.handlers.search import Search, at_first, only, unchanged
from app.services import Services
from app.session import Session
from app.views import notes, overview, upload
from app.views.formatting import many
from engine.gallery import (
    DEFAULT_BUDGET,
    EngineError,
    GalleryMissing,
    GallerySummary,
    ModelChanged,
    clean_name,
    delete_gallery,
    delete_photos,
    publish_gallery,
    rename_gallery,
    require_model,
    typical_photos,
)

NEW_GALLERY = "My photos"
LONGEST_NAME = 80
MOST_AT_ONCE = 5_000  # photos to delete
LINKS = 20  # published galleries that a browser is believed to remember
GALLERY = "Gallery"  # the title of its tab
FIRST_START = "Encoding the demo gallery"
LATER_START = "Loading the encoder"
LATER_START_NOTE = "The demo gallery is stored already: the first answer comes in a few seconds."
FIRST_START_NOTE = (
    "Once only: later starts reuse what is stored. Each photo leaves the encoder where its gates let it go."
)


class Whole(NamedTuple):
    """What the gallery's tab shows."""

    figures: Any
    histogram: Any
    curve: Any
    prospect: Any


class Settings(NamedTuple):
    """What a gallery is set to. Drawn when another one is on show only: what is being typed is not written over."""

    budget: Any
    looked_for: Any
    title: Any
    public: Any
    link: Any
    delete: Any


class Galleries:
    """The galleries of a session."""

    def __init__(self, services: Services, search: Search) -> None:
        self._services, self._search = services, search

    def opened(self, kept: object, refine: bool, session: Session, request: gr.Request | None) -> Iterator[Any]:
        """A visitor comes: to the gallery of the address, or to the one they left, or to the demo gallery.

        Yields: gallery choice, query, timer, what the browser keeps, and Found.
        """
        asked = dict(request.query_params) if request is not None else {}
        try:
            self._services.access.arrive(kept, session)
            session.gallery = self._first_gallery(asked, kept, session)
            session.ask(str(asked.get("q", ""))[:1000])
            yield from self._first_answer(refine, session)
        except EngineError as error:
            yield gr.skip(), "", gr.update(active=False), gr.skip(), *only(self._services.problem(error))

    def waited(self, refine: bool, session: Session) -> Iterator[Any]:
        """A second has passed while the demo gallery is encoded; a visitor who looks at another one is let be."""
        demo = self._services.demo
        if session.gallery not in demo.ids:
            yield gr.skip(), gr.skip(), gr.update(active=not demo.ready), gr.skip(), *unchanged()
            return
        if not demo.ready:
            yield gr.skip(), gr.skip(), gr.skip(), gr.skip(), *only(self._encoding_demo())
            return
        try:
            yield from self._first_answer(refine, session)
        except EngineError as error:
            yield gr.skip(), "", gr.update(active=False), gr.skip(), *only(self._services.problem(error))

    def _first_answer(self, refine: bool, session: Session) -> Iterator[Any]:
        """What the visitor has come for, or how far the demo gallery is until then."""
        demo = self._services.demo
        if session.gallery in demo.ids:
            if demo.problem:
                problem = self._services.problem(demo.problem)
                yield self.choice(session), "", gr.update(active=False), gr.skip(), *only(problem)
                return
            if not demo.ready:
                yield (
                    self.choice(session),
                    session.query,
                    gr.update(active=True),
                    gr.skip(),
                    *only(self._encoding_demo()),
                )
                return
            session.gallery = demo.id
            if not session.query:
                session.ask(demo.queries[0].query)
        query = session.query
        for number, found in enumerate(self._search.answers(refine, session)):
            yield self.choice(session), at_first(number, query), gr.update(active=False), self.kept(session), *found

    def picked(self, gallery: int, refine: bool, session: Session) -> Iterator[Any]:
        """A gallery was chosen. Yields: query, name for uploads, what the browser keeps, and Found."""
        try:
            session.gallery = self._services.access.gallery(gallery, session).id
            demo = self._services.demo
            at_demo = session.gallery == demo.id and demo.ready
            session.ask(demo.queries[0].query if at_demo else "")
            name = NEW_GALLERY if session.gallery in demo.ids else self._summary(session).name
            for number, found in enumerate(self._search.answers(refine, session)):
                yield at_first(number, session.query), at_first(number, name), self.kept(session), *found
        except EngineError as error:
            yield "", NEW_GALLERY, gr.skip(), *only(self._services.problem(error))

    def whole(self, budget: float, session: Session) -> Whole:
        """The gallery's tab was opened, or what it shows has changed."""
        services = self._services
        try:
            summary = self._summary(session)
            last = services.comparison.last(summary.id)
            with services.access.turn(session):
                require_model(services.library, summary.id)  # another model's exits are not this one's
                typical = {
                    exit: typical_photos(services.library, summary.id, exit)
                    for exit in range(1, len(summary.exits) + 1)
                }
            return Whole(
                overview.figures(summary, last),
                overview.histogram(summary, services.drawing, typical, services.address),
                overview.curve(services.curve, summary.budget),
                self.prospect(budget, session),
            )
        except ModelChanged as error:
            return Whole(services.problem(error), "", "", "")
        except EngineError as error:
            return Whole(services.problem(error), *([gr.skip()] * (len(Whole._fields) - 1)))

    def stirred(self, budget: float, session: Session) -> Whole:
        """A query may have changed what the gallery's tab shows, if that is the one that is open."""
        return self.whole(budget, session) if session.tab == GALLERY else Whole(*([gr.skip()] * len(Whole._fields)))

    def settings(self, gallery: int | None, session: Session) -> Settings:
        """Another gallery is on show."""
        try:
            summary = self._services.access.gallery(gallery, session)
        except EngineError:  # deleted meanwhile; whatever is asked of it next says so
            return Settings(*([gr.skip()] * len(Settings._fields)))
        own = self._services.access.owns(summary, session)
        return Settings(
            gr.update(value=summary.budget if summary.budget is not None else DEFAULT_BUDGET),
            typed(summary.guides),
            gr.update(value=summary.name, visible=own),
            gr.update(value=summary.link is not None, visible=own),
            overview.address(summary),
            gr.update(visible=own),
        )

    def prospect(self, budget: float, session: Session) -> str:
        """The budget slider moved. Returns: what that budget would do."""
        try:
            return overview.prospect(self._summary(session), budget)
        except EngineError as error:
            return self._services.problem(error)

    def renamed(self, name: str, session: Session) -> tuple[Any, str]:
        """Another name was given. Returns: gallery choice, what was done."""
        try:
            summary = self._services.access.own(session.gallery, session)
            if not name.strip():
                return gr.skip(), notes.said("A gallery needs a name.")
            name = clean_name(name)[:LONGEST_NAME].strip()
            rename_gallery(self._services.library, summary.id, name)
            return self.choice(session), notes.said(f"It is called “{name}” now.")
        except EngineError as error:
            return gr.skip(), self._services.problem(error)

    def published(self, public: bool, session: Session) -> str:
        """The gallery is to be seen by everyone with its link, or not any more. Returns: its address."""
        try:
            summary = self._services.access.own(session.gallery, session)
            publish_gallery(self._services.library, summary.id, public)
            return overview.address(self._summary(session))
        except EngineError as error:
            return self._services.problem(error)

    def deleted(self, refine: bool, session: Session) -> Iterator[Any]:
        """The gallery is to be deleted. Yields: gallery choice, query, what the browser keeps, tabs, and Found."""
        try:
            delete_gallery(self._services.library, self._services.access.own(session.gallery, session).id)
        except EngineError as error:
            yield gr.skip(), gr.skip(), gr.skip(), gr.skip(), *only(self._services.problem(error))
            return
        session.gallery, session.photo, session.tab = self._services.demo.id, None, ""
        for query, _, kept, *found in self.picked(session.gallery, refine, session):
            yield self.choice(session), query, kept, gr.update(selected="results"), *found

    def discarded(self, event: gr.EventData, session: Session) -> Iterator[Any]:
        """Photos of the gallery are to be deleted. Yields: gallery choice, and Found."""
        try:
            summary = self._services.access.own(session.gallery, session)
            photos = [int(photo) for photo in sent_along(event, "photos").split()[:MOST_AT_ONCE]]
            removed = delete_photos(self._services.library, summary.id, photos)
        except EngineError as error:
            yield gr.skip(), *only(self._services.problem(error))
            return
        except (ValueError, OverflowError):
            yield gr.skip(), *only(notes.problem("These photos are not there any more."))
            return
        for found in self._search.answers(False, session, f" {many(removed)} deleted."):
            yield self.choice(session), *found

    def choice(self, session: Session) -> Any:
        """The galleries to choose from, the present one chosen."""
        choices = [(_label(summary), summary.id) for summary in self._services.access.galleries(session)]
        return gr.update(choices=choices, value=session.gallery)

    def kept(self, session: Session) -> dict[str, Any]:
        """What the browser remembers for the next time."""
        return {"visitor": session.token, "gallery": session.gallery, "links": list(session.links)}

    def _first_gallery(self, asked: dict[str, str], kept: object, session: Session) -> int:
        kept = kept if isinstance(kept, dict) else {}
        remembered, left = kept.get("links"), kept.get("gallery")
        links = remembered[:LINKS] if isinstance(remembered, list) else []
        for link in [*links, asked.get("gallery")]:
            found = self._services.access.open_link(link, session) if isinstance(link, str) else None
            if found is not None and link == asked.get("gallery"):
                return found
        if "q" not in asked and isinstance(left, int):
            with suppress(GalleryMissing):  # deleted since
                return self._services.access.gallery(left, session).id
        return self._services.demo.id

    def _summary(self, session: Session) -> GallerySummary:
        return self._services.access.gallery(session.gallery, session)

    def _encoding_demo(self) -> str:
        demo = self._services.demo
        now = demo.progress
        if demo.stored and now is None:
            return upload.loading(LATER_START, LATER_START_NOTE)
        drawing = self._services.drawing if now else None
        seconds = time.monotonic() - demo.began
        return upload.encoding(FIRST_START, now, seconds, drawing, self._services.address, FIRST_START_NOTE)


def _label(summary: GallerySummary) -> str:
    return f"{summary.name} · {summary.photos}"
