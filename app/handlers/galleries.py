"""Galleries: opened, picked, renamed, published, deleted, and seen as a whole."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import gradio as gr

from app.context import Context
from app.handlers.budget import typed
from app.handlers.events import sent_along
from app.handlers.search import Search, at_first, only, unchanged
from app.views import depths, intake, notes
from app.views.words import many
from app.visit import Visit
from engine.gallery import DEFAULT_BUDGET, EngineError, GalleryMissing, GallerySummary, ModelChanged, clean_name

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
    """The galleries of a visit."""

    def __init__(self, context: Context, search: Search) -> None:
        self._context, self._search = context, search

    def opened(self, kept: object, refine: bool, visit: Visit, request: gr.Request | None) -> Iterator[Any]:
        """A visitor comes: to the gallery of the address, or to the one they left, or to the demo gallery.

        Yields: gallery choice, query, timer, what the browser keeps, and Found.
        """
        asked = dict(request.query_params) if request is not None else {}
        try:
            self._context.access.arrive(kept, visit)
            visit.gallery = self._first_gallery(asked, kept, visit)
            visit.ask(str(asked.get("q", ""))[:1000])
            yield from self._first_answer(refine, visit)
        except EngineError as error:
            yield gr.skip(), "", gr.update(active=False), gr.skip(), *only(self._context.problem(error))

    def waited(self, refine: bool, visit: Visit) -> Iterator[Any]:
        """A second has passed while the demo gallery is encoded; a visitor who looks at another one is let be."""
        demo = self._context.demo
        if visit.gallery not in demo.ids:
            yield gr.skip(), gr.skip(), gr.update(active=not demo.ready), gr.skip(), *unchanged()
            return
        if not demo.ready:
            yield gr.skip(), gr.skip(), gr.skip(), gr.skip(), *only(self._encoding_demo())
            return
        try:
            yield from self._first_answer(refine, visit)
        except EngineError as error:
            yield gr.skip(), "", gr.update(active=False), gr.skip(), *only(self._context.problem(error))

    def _first_answer(self, refine: bool, visit: Visit) -> Iterator[Any]:
        """What the visitor has come for, or how far the demo gallery is until then."""
        demo = self._context.demo
        if visit.gallery in demo.ids:
            if demo.problem:
                problem = self._context.problem(demo.problem)
                yield self.choice(visit), "", gr.update(active=False), gr.skip(), *only(problem)
                return
            if not demo.ready:
                yield self.choice(visit), visit.query, gr.update(active=True), gr.skip(), *only(self._encoding_demo())
                return
            visit.gallery = demo.id
            if not visit.query:
                visit.ask(demo.queries[0].query)
        query = visit.query
        for number, found in enumerate(self._search.answers(refine, visit)):
            yield self.choice(visit), at_first(number, query), gr.update(active=False), self.kept(visit), *found

    def picked(self, gallery: int, refine: bool, visit: Visit) -> Iterator[Any]:
        """A gallery was chosen. Yields: query, name for uploads, what the browser keeps, and Found."""
        try:
            visit.gallery = self._context.access.gallery(gallery, visit).id
            demo = self._context.demo
            at_demo = visit.gallery == demo.id and demo.ready
            visit.ask(demo.queries[0].query if at_demo else "")
            name = NEW_GALLERY if visit.gallery in demo.ids else self._summary(visit).name
            for number, found in enumerate(self._search.answers(refine, visit)):
                yield at_first(number, visit.query), at_first(number, name), self.kept(visit), *found
        except EngineError as error:
            yield "", NEW_GALLERY, gr.skip(), *only(self._context.problem(error))

    def whole(self, budget: float, visit: Visit) -> Whole:
        """The gallery's tab was opened, or what it shows has changed."""
        context = self._context
        try:
            summary = self._summary(visit)
            last = context.comparison.last(summary.id)
            with context.access.turn(visit):
                context.catalog.require_model(summary.id)  # another model's exits are not this one's
                typical = {exit: context.catalog.at_exit(summary.id, exit) for exit in range(1, len(summary.exits) + 1)}
            return Whole(
                depths.figures(summary, last),
                depths.histogram(summary, context.drawing, typical, context.address),
                depths.curve(context.curve, summary.budget),
                self.prospect(budget, visit),
            )
        except ModelChanged as error:
            return Whole(context.problem(error), "", "", "")
        except EngineError as error:
            return Whole(context.problem(error), *([gr.skip()] * (len(Whole._fields) - 1)))

    def stirred(self, budget: float, visit: Visit) -> Whole:
        """A query may have changed what the gallery's tab shows, if that is the one that is open."""
        return self.whole(budget, visit) if visit.tab == GALLERY else Whole(*([gr.skip()] * len(Whole._fields)))

    def settings(self, gallery: int | None, visit: Visit) -> Settings:
        """Another gallery is on show."""
        try:
            summary = self._context.access.gallery(gallery, visit)
        except EngineError:  # deleted meanwhile; whatever is asked of it next says so
            return Settings(*([gr.skip()] * len(Settings._fields)))
        own = self._context.access.owns(summary, visit)
        return Settings(
            gr.update(value=summary.budget if summary.budget is not None else DEFAULT_BUDGET),
            typed(summary.guides),
            gr.update(value=summary.name, visible=own),
            gr.update(value=summary.link is not None, visible=own),
            depths.address(summary),
            gr.update(visible=own),
        )

    def prospect(self, budget: float, visit: Visit) -> str:
        """The budget slider moved. Returns: what that budget would do."""
        try:
            return depths.prospect(self._summary(visit), budget)
        except EngineError as error:
            return self._context.problem(error)

    def renamed(self, name: str, visit: Visit) -> tuple[Any, str]:
        """Another name was given. Returns: gallery choice, what was done."""
        try:
            summary = self._context.access.own(visit.gallery, visit)
            if not name.strip():
                return gr.skip(), notes.said("A gallery needs a name.")
            name = clean_name(name)[:LONGEST_NAME].strip()
            self._context.catalog.rename(summary.id, name)
            return self.choice(visit), notes.said(f"It is called “{name}” now.")
        except EngineError as error:
            return gr.skip(), self._context.problem(error)

    def published(self, public: bool, visit: Visit) -> str:
        """The gallery is to be seen by everyone with its link, or not any more. Returns: its address."""
        try:
            summary = self._context.access.own(visit.gallery, visit)
            self._context.catalog.publish(summary.id, public)
            return depths.address(self._summary(visit))
        except EngineError as error:
            return self._context.problem(error)

    def deleted(self, refine: bool, visit: Visit) -> Iterator[Any]:
        """The gallery is to be deleted. Yields: gallery choice, query, what the browser keeps, tabs, and Found."""
        try:
            self._context.catalog.remove(self._context.access.own(visit.gallery, visit).id)
        except EngineError as error:
            yield gr.skip(), gr.skip(), gr.skip(), gr.skip(), *only(self._context.problem(error))
            return
        visit.gallery, visit.photo, visit.tab = self._context.demo.id, None, ""
        for query, _, kept, *found in self.picked(visit.gallery, refine, visit):
            yield self.choice(visit), query, kept, gr.update(selected="results"), *found

    def discarded(self, event: gr.EventData, visit: Visit) -> Iterator[Any]:
        """Photos of the gallery are to be deleted. Yields: gallery choice, and Found."""
        try:
            summary = self._context.access.own(visit.gallery, visit)
            photos = [int(photo) for photo in sent_along(event, "photos").split()[:MOST_AT_ONCE]]
            removed = self._context.catalog.remove_photos(summary.id, photos)
        except EngineError as error:
            yield gr.skip(), *only(self._context.problem(error))
            return
        except (ValueError, OverflowError):
            yield gr.skip(), *only(notes.problem("These photos are not there any more."))
            return
        for found in self._search.answers(False, visit, f" {many(removed)} deleted."):
            yield self.choice(visit), *found

    def choice(self, visit: Visit) -> Any:
        """The galleries to choose from, the present one chosen."""
        choices = [(_label(summary), summary.id) for summary in self._context.access.galleries(visit)]
        return gr.update(choices=choices, value=visit.gallery)

    def kept(self, visit: Visit) -> dict[str, Any]:
        """What the browser remembers for the next time."""
        return {"visitor": visit.token, "gallery": visit.gallery, "links": list(visit.links)}

    def _first_gallery(self, asked: dict[str, str], kept: object, visit: Visit) -> int:
        kept = kept if isinstance(kept, dict) else {}
        remembered, left = kept.get("links"), kept.get("gallery")
        links = remembered[:LINKS] if isinstance(remembered, list) else []
        for link in [*links, asked.get("gallery")]:
            found = self._context.access.open_link(link, visit) if isinstance(link, str) else None
            if found is not None and link == asked.get("gallery"):
                return found
        if "q" not in asked and isinstance(left, int):
            with suppress(GalleryMissing):  # deleted since
                return self._context.access.gallery(left, visit).id
        return self._context.demo.id

    def _summary(self, visit: Visit) -> GallerySummary:
        return self._context.access.gallery(visit.gallery, visit)

    def _encoding_demo(self) -> str:
        demo = self._context.demo
        now = demo.progress
        if demo.stored and now is None:
            return intake.loading(LATER_START, LATER_START_NOTE)
        drawing = self._context.drawing if now else None
        seconds = time.monotonic() - demo.began
        return intake.encoding(FIRST_START, now, seconds, drawing, self._context.address, FIRST_START_NOTE)


def _label(summary: GallerySummary) -> str:
    return f"{summary.name} · {summary.photos}"
