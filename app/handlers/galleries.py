"""Galleries: opened, picked, gone back to, arranged, renamed, published, deleted."""

import time
import unicodedata
from collections.abc import Iterator
from contextlib import suppress

import gradio as gr

from app.access import FORGOTTEN
from app.handlers.budget import typed
from app.handlers.events import sent_along
from app.handlers.search import Search
from app.parts import DELETE, Parts, Updates, button
from app.server.order import arrival
from app.services import Services
from app.session import NEW_GALLERY, Session
from app.views import overview, placeholders, upload
from app.views.encoding import encoding, progress_bar
from app.views.formatting import grouped, isolated, many
from engine.gallery import (
    DEFAULT_BUDGET,
    LONGEST_NAME,
    EngineError,
    GalleryMissing,
    GallerySummary,
    delete_gallery,
    delete_photos,
    find_gallery,
    publish_gallery,
    rename_gallery,
)

MOST_AT_ONCE = 5_000  # photos to delete
LINKS = 20  # published galleries that a browser is believed to remember
DIGITS = 12  # of the number of a step of Back and Forward
FIRST_START = "Encoding the demo gallery"
LATER_START = "Loading the encoder"
LATER_START_NOTE = "The demo gallery is stored already: the first answer comes in a few seconds."
FIRST_START_NOTE = (
    "Once only: later starts reuse what is stored. Each photo leaves the encoder where its gates let it go."
)


class Galleries:
    """The galleries of a session."""

    def __init__(self, services: Services, parts: Parts, search: Search) -> None:
        self._services, self._parts, self._search = services, parts, search

    def opened(self, kept: object, refine: bool, session: Session, request: gr.Request | None) -> Iterator[Updates]:
        """A visitor comes: to the gallery of the address, or to the one they left, or to the demo gallery."""
        asked = dict(request.query_params) if request is not None else {}
        try:
            self._services.access.arrive(kept, session)
            session.gallery, missed = self._first_gallery(asked, kept, session)
            if missed:
                yield {self._parts.notice: placeholders.missed(missed)}
            aside = self._search.ask(str(asked.get("q", "")), session, anew=True)
            session.arrange(str(asked.get("order", "")), str(asked.get("year", "")))
            yield from self._first_answer(refine, session, aside)
        except EngineError as error:
            yield self._no_answer(error)

    def waited(self, refine: bool, session: Session) -> Iterator[Updates]:
        """A second has passed while the demo gallery is encoded; a visitor who looks at another one is let be.

        So is one who has an answer: a second that was counted late would draw theirs again, without its second look.
        """
        demo = self._services.demo
        if session.welcomed:
            yield {self._parts.timer: gr.update(active=False)}
            return
        if session.gallery not in demo.ids:
            yield {self._parts.timer: gr.update(active=not demo.ready)}
            return
        if not demo.ready:
            yield self._search.only(self._encoding_demo())
            return
        try:
            yield from self._first_answer(refine, session)
        except EngineError as error:
            yield self._no_answer(error)

    def _no_answer(self, error: EngineError) -> Updates:
        problem = self._search.only(self._services.problem(error))
        return {self._parts.query: "", self._parts.timer: gr.update(active=False), **problem}

    def _first_answer(self, refine: bool, session: Session, aside: str = "") -> Iterator[Updates]:
        """What the visitor has come for, or how far the demo gallery is until then.

        Args: aside: what to say beside the answer.
        """
        demo, parts = self._services.demo, self._parts
        if session.gallery in demo.ids:
            if demo.problem:
                yield {**self.choice(session), **self._no_answer(demo.problem)}
                return
            if not demo.ready:
                yield {
                    **self.choice(session),
                    parts.query: session.words or gr.skip(),
                    parts.timer: gr.update(active=True),
                    **self.remembered(session),  # a reload while they wait is no other visitor
                    **self._search.only(self._encoding_demo()),
                }
                return
            session.gallery = demo.id
            if not session.query:
                session.ask(demo.first_query)
                session.forget(demo.first_query)
        session.welcomed = True
        first = {
            **self.choice(session),
            # The box began with the demo gallery's query; by now the visitor may be typing.
            parts.query: session.words if session.words != demo.first_query else gr.skip(),
            # The box of Add photos began with the name of a new gallery, as the demo gallery has it.
            **(self.offered(session) if session.gallery != demo.id else {}),
            parts.timer: gr.update(active=False),
            **self.remembered(session),
        }
        yield from self._search.answers(refine, session, aside, first)

    def chosen(self, gallery: int, refine: bool, session: Session) -> Iterator[Updates]:
        """A gallery was chosen in the box, which tells of the one on show, too, whenever it is left."""
        return self.picked(gallery, refine, session) if gallery != session.gallery else iter(())

    def picked(self, gallery: int, refine: bool, session: Session) -> Iterator[Updates]:
        """A gallery is to be seen."""
        parts = self._parts
        try:
            summary = self._services.access.gallery(gallery, session)
            session.gallery = summary.id
            demo = self._services.demo
            at_demo = session.gallery == demo.id and demo.ready
            session.ask(demo.first_query if at_demo else "")
            session.forget(demo.first_query)
            first = {
                parts.notice: "",  # that another gallery was not there
                parts.query: session.words,
                **self.offered(session),
                **self.remembered(session),
            }
            return self._search.answers(refine, session, first=first)
        except EngineError as error:
            session.gallery = gallery  # as the box has it: what is asked of it is answered so, too
            problem = self._search.only(self._services.problem(error))
            return iter([{parts.query: "", **self.offered(session, NEW_GALLERY), **problem}])

    def gone_to(self, event: gr.EventData, refine: bool, session: Session) -> Iterator[Updates]:
        """Back or Forward: an earlier place is asked for again, a gallery, a query, and how photos stood."""
        parts, asked, missed = self._parts, sent_along(event, "q"), ""
        session.step = sent_along(event, "step")[:DIGITS]
        try:
            try:
                session.gallery = self._services.access.at_address(sent_along(event, "gallery"), session)
            except GalleryMissing:
                session.gallery, missed = self._services.demo.id, placeholders.missed(placeholders.GONE_SINCE)
                asked = asked or self._services.demo.first_query
            aside = self._search.ask(asked, session, anew=True)
            order = sent_along(event, "order") or ("" if session.query else "arrival")
            session.arrange(order, sent_along(event, "year"))
            first: Updates = {
                parts.notice: missed,
                **self.choice(session),
                **self.offered(session),
                parts.query: session.words,
                **self.remembered(session),
            }
        except EngineError as error:
            session.go_on()
            return iter([self._search.only(self._services.problem(error))])
        return self._search.answers_with_words(refine, session, aside, first)

    def arranged(self, event: gr.EventData, refine: bool, session: Session) -> Iterator[Updates]:
        """Another order or year was chosen in the boxes over the photos."""
        session.arrange(sent_along(event, "order"), sent_along(event, "year"))
        session.unfolded = 0
        session.go_on()
        return self._search.answers(refine, session)

    def settings(self, gallery: int | None, session: Session) -> Updates:
        """Another gallery is on show, and only then: what is being typed is not written over."""
        parts = self._parts
        try:
            summary = self._services.access.gallery(gallery, session)
        except EngineError:  # deleted meanwhile; whatever is asked of it next says so
            return {parts.budget: gr.skip()}
        own = self._services.access.owns(summary, session)
        return {
            **self._boxes(summary, session),
            parts.rename: gr.update(value=summary.name, visible=own),
            **self._shared(summary, own),
            parts.delete: button(DELETE, own),
            # What was said of the gallery before would be taken for this one's.
            parts.renamed: "",
            parts.applied: "",
        }

    def shared(self, budget: float, looked_for: str | None, public: bool, session: Session) -> Updates:
        """The gallery's tab was opened: what another page may have changed, less what the visitor is about to."""
        try:
            summary = self._services.access.gallery(session.gallery, session)
        except EngineError:  # deleted meanwhile, or closed to others; whatever is asked of it next says so
            return {self._parts.link: ""}
        # Nothing comes where nothing was changed: on a slow line the visitor may be typing by the time of the answer.
        changed = (budget, looked_for or "") == session.settings != _settings(summary)
        boxes = self._boxes(summary, session) if changed else {}
        return {**boxes, **self._shared(summary, self._services.access.owns(summary, session), public)}

    def _boxes(self, summary: GallerySummary, session: Session) -> Updates:
        session.settings = _settings(summary)
        return dict(zip((self._parts.budget, self._parts.looked_for), session.settings, strict=True))

    def _shared(self, summary: GallerySummary, own: bool, public: bool | None = None) -> Updates:
        """Args: public: as the page has it; where that is true it is left alone, as it may be clicked meanwhile."""
        linked = summary.link is not None
        box = gr.update(visible=own) if public == linked else gr.update(value=linked, visible=own)
        return {self._parts.public: box, self._parts.link: overview.visibility(summary)}

    def renamed(self, name: str, gallery: int | None, session: Session) -> Updates:
        """Another name was given.

        Args: gallery: that of the gallery box when it was given; by now another one may be on show.
        """
        done = self._parts.renamed
        try:
            summary = self._asked(gallery, session)
            name = gallery_name(name)
            if not name:
                return {done: placeholders.said("A gallery needs a name.")}
            rename_gallery(self._services.library, summary.id, name)
            self._services.inbox.rename(summary.id, name)
            session.drops.update({drop: name for drop, into in session.drops.items() if into == summary.name})
            if gallery != session.gallery:
                return self.choices(session)
            said = placeholders.said(f"It is called “{isolated(name)}” now.")
            return {**self.choices(session), **self.offered(session, name), done: said}
        except EngineError as error:
            return {done: self._services.problem(error)}

    def published(self, public: bool, gallery: int | None, session: Session) -> Updates:
        """A gallery is to be seen by everyone with its link, or not any more.

        Args: gallery: that of the gallery box when it was clicked; by now another one may be on show.
        """
        number = arrival()
        try:
            summary = self._asked(gallery, session)
            with session.turn:
                if number < session.published.get(summary.id, 0):  # its thread has begun late: clicked since
                    return {self._parts.link: gr.skip()}
                session.published[summary.id] = number
                publish_gallery(self._services.library, summary.id, public)
            told: Updates = {self._parts.link: overview.visibility(self._services.access.gallery(summary.id, session))}
        except EngineError as error:
            told = {self._parts.link: self._services.problem(error), self._parts.public: not public}
        return told if session.gallery in (gallery, None) else {self._parts.link: gr.skip()}

    def _asked(self, gallery: int | None, session: Session) -> GallerySummary:
        """The gallery of the gallery box, to be changed; raises GalleryMissing, NotYours.

        Where the server has forgotten the page, the box's number may be another gallery's by now: it may have been
        started with another data folder.
        """
        return self._services.access.own(None if session.gallery is None else gallery, session)

    def deleted(self, gallery: int | None, refine: bool, session: Session) -> Iterator[Updates]:
        """The gallery is to be deleted.

        Args: gallery: that of the gallery box, as the visitor was asked; by now another one may be on show.
        """
        try:
            summary = self._asked(gallery, session)
            if gallery == session.gallery:
                yield self._search.only(progress_bar(f"Deleting “{isolated(summary.name)}”", many(summary.photos)))
            delete_gallery(self._services.library, summary.id)
            self._services.inbox.close(summary.id)
        except EngineError as error:
            yield self._search.only(self._services.problem(error))
            return
        if gallery != session.gallery:
            yield self.choices(session)
            return
        session.gallery, session.photo = self._services.demo.id, None
        for changes in self.picked(session.gallery, refine, session):
            yield {**self.choice(session), **changes}

    def photos_deleted(self, event: gr.EventData, session: Session) -> Iterator[Updates]:
        """Photos of the gallery are to be deleted."""
        try:
            summary = self._services.access.own(session.gallery, session)
            photos = [int(photo) for photo in sent_along(event, "photos").split()[:MOST_AT_ONCE]]
            deleting = f'<span class="busy">Deleting {many(len(photos))} …</span>'
            yield self._search.line(session, deleting)  # a thousand take seconds
            removed = delete_photos(self._services.library, summary.id, photos)
            self._services.inbox.forget(summary.id)
        except EngineError as error:
            yield self._search.only(self._services.problem(error))
            return
        except (ValueError, OverflowError):
            yield self._search.only(placeholders.problem("These photos are not there any more."))
            return
        session.go_on()
        yield from self._search.answers(False, session, f" {many(removed)} deleted.", self.choices(session))

    def listed(self, session: Session) -> Updates:
        """The list was opened; other windows may have added photos to what is in it."""
        listed = self.choices(session)
        if session.gallery is None:
            listed[self._parts.notice] = placeholders.missed(FORGOTTEN)
        return listed

    def choices(self, session: Session) -> Updates:
        """The galleries to choose from; which of them is chosen stays as the visitor has it."""
        choices = [(_label(summary), summary.id) for summary in self._services.access.galleries(session)]
        return {self._parts.gallery: gr.update(choices=choices)}

    def choice(self, session: Session) -> Updates:
        """The galleries to choose from, the present one chosen."""
        return {self._parts.gallery: {**self.choices(session)[self._parts.gallery], "value": session.gallery}}

    def offered(self, session: Session, name: str = "") -> Updates:
        """A gallery to add photos to, unless the visitor has named one.

        Args: name: the gallery's; empty: that of the one on show.
        """
        if session.named:
            return {}
        self._offer(name or self._name_on_show(session), session)
        return {self._parts.add_to: session.offered, self._parts.adds_to: upload.field(session.offered)}

    def accepted(self, name: str, session: Session) -> str:
        """The gallery of the box is to take photos. Returns: its name now, for another tab may have renamed it."""
        session.named = False
        if name != session.offered:
            self._offer(name, session)
        with suppress(EngineError):  # there is none yet, or it was deleted meanwhile
            return self._services.access.own(session.offers, session).name
        return name

    def _offer(self, name: str, session: Session) -> None:
        session.offered, session.offers = name, find_gallery(self._services.library, name, session.owner)

    def remembered(self, session: Session) -> Updates:
        """What the browser remembers for the next time."""
        in_demo = session.gallery in self._services.demo.ids  # which has another number when it is encoded anew
        kept = {
            "visitor": session.token,
            "browser": session.browser,
            "gallery": None if in_demo else session.gallery,
            "links": list(session.links),
        }
        return {self._parts.browser: kept}

    def _first_gallery(self, asked: dict[str, str], kept: object, session: Session) -> tuple[int, str]:
        """The gallery to begin with, and what to tell who looked for another one that is not there."""
        kept = kept if isinstance(kept, dict) else {}
        remembered, left = kept.get("links"), kept.get("gallery")
        links = remembered[:LINKS] if isinstance(remembered, list) else []
        for link in links:
            if isinstance(link, str):
                self._services.access.open_link(link, session)
        if asked.get("gallery"):
            with suppress(GalleryMissing):
                return self._services.access.at_address(asked["gallery"], session), ""
            return self._services.demo.id, placeholders.NO_SUCH_LINK
        if "q" not in asked and isinstance(left, int):
            with suppress(GalleryMissing):  # deleted since
                return self._services.access.gallery(left, session).id, ""
            return self._services.demo.id, placeholders.GONE_SINCE
        return self._services.demo.id, ""

    def _name_on_show(self, session: Session) -> str:
        """The name of the gallery on show; a new one's where that is not theirs, or the demo gallery."""
        summary = self._services.access.gallery(session.gallery, session)
        is_own = summary.kind != "demo" and self._services.access.owns(summary, session)
        return summary.name if is_own else NEW_GALLERY

    def _encoding_demo(self) -> str:
        demo = self._services.demo
        now = demo.progress
        if demo.stored and now is None:
            return progress_bar(LATER_START, LATER_START_NOTE)
        drawing = self._services.drawing if now else None
        seconds = time.monotonic() - demo.began
        return encoding(FIRST_START, now, seconds, drawing, self._services.address, FIRST_START_NOTE)


def gallery_name(typed: str) -> str:
    """A name that is safe to show: one line of at most 80 characters, without controls and direction marks."""
    line = " ".join(typed.split())
    return "".join(c for c in line if unicodedata.category(c)[0] != "C")[:LONGEST_NAME].strip()


def _settings(summary: GallerySummary) -> tuple[float, str]:
    """Budget and phrases, as their boxes hold them."""
    return summary.budget if summary.budget is not None else DEFAULT_BUDGET, typed(summary.phrases)


def _label(summary: GallerySummary) -> str:
    return f"{isolated(summary.name)} · {grouped(summary.in_all)}"
