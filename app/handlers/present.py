"""Present mode: gathers the facts of its screens; where nothing was measured here, those that were shipped."""

from collections.abc import Sequence

import gradio as gr

from app.fidelity import fidelity
from app.handlers.events import sent_along
from app.parts import Parts, Updates
from app.services import Services
from app.session import Session
from app.views import placeholders
from app.views.present import Story, present
from engine.gallery import (
    EngineError,
    GallerySummary,
    ModelChanged,
    Photo,
    list_photos,
    require_model,
    search_photos,
    shipped_race,
    stacks_among,
    summarize_gallery,
    typical_photos,
)

DEMO = "the demo gallery"
ANSWERS, AMONG = 4, 12  # photos on the first screen, and the best that they are of


class Present:
    """Tells the story of the gallery on show, or of the demo gallery where there is too little in it."""

    def __init__(self, services: Services, parts: Parts) -> None:
        self._services, self._parts = services, parts

    def presented(self, event: gr.EventData, session: Session) -> Updates:
        """Present was pressed, or the address asks for a screen."""
        services, screen = self._services, sent_along(event, "screen")
        try:
            with services.access.turn(session):
                story = self._story(session)
            html = present(story, services.drawing, services.address, int(screen) if screen.isdecimal() else 1)
        except EngineError as error:  # said at the head of the page, where the button is
            return {self._parts.notice: placeholders.missed(services.sentence(error))}
        return {self._parts.screens: html}

    def _story(self, session: Session) -> Story:
        services = self._services
        summary = self._gallery(session)
        query, answers = self._answers(session, summary)
        ends, elsewhere = self._ends(summary)
        measured = services.measured(summary) or shipped_race().measured
        known = fidelity(summary, services.curve)
        before = {photo: services.drawing.positions[look.from_exit] for photo, look in session.deepened.items()}
        instead = DEMO if summary.id != session.gallery else ""
        return Story(summary, query, answers, ends[0], ends[1], measured, known, elsewhere or instead, instead, before)

    def _gallery(self, session: Session) -> GallerySummary:
        """The gallery on show, if it has photos of the present model; else the demo's."""
        services = self._services
        summary = services.access.gallery(session.gallery, session)
        try:
            require_model(services.library, summary.id)
            if summary.photos > 1:
                return summary
        except ModelChanged:
            pass
        demo = services.access.gallery(services.demo.id, session)
        require_model(services.library, demo.id)
        if demo.photos < 2:
            raise EngineError("The demo gallery is being encoded; present it in a moment.")
        return demo

    def _answers(self, session: Session, summary: GallerySummary) -> tuple[str, list[Photo]]:
        """What was asked of the gallery, and the first photos that answer."""
        if summary.id == session.gallery and session.hits:
            return session.title, self._varied([hit.photo for hit in session.hits[:AMONG]])
        if summary.kind != "demo":
            return "", self._varied(list_photos(self._services.library, summary.id, limit=AMONG))
        query = self._services.demo.first_query
        hits = search_photos(self._services.library, summary.id, query, AMONG)
        return query, self._varied([hit.photo for hit in hits])

    def _varied(self, photos: Sequence[Photo]) -> list[Photo]:
        """The first of some photos, nearly the same ones once; where all stand at one exit, the last makes room for the
        first one at another.
        """
        stacks = stacks_among(self._services.library, [photo.id for photo in photos])
        alike = {id for stack in stacks for id in stack[1:]}
        photos = sorted(photos, key=lambda photo: photo.id in alike)
        shown, exits = photos[:ANSWERS], {photo.exit for photo in photos[:ANSWERS]}
        other = next((photo for photo in photos[ANSWERS:] if photo.exit not in exits and photo.id not in alike), None)
        if len(exits) == 1 and other is not None:
            shown[-1] = other
        return shown

    def _ends(self, summary: GallerySummary) -> tuple[list[Photo], str]:
        """A typical photo of those that left early and of those that went deep, and whose gallery's they are.

        Where all are alike, the demo gallery's; where those are, too, any two.
        """
        library, demo = self._services.library, self._services.demo
        for gallery, name in ((summary.id, ""), (demo.id, DEMO)):
            found = summarize_gallery(library, gallery)
            reached = [exit for exit, count in enumerate(found.exits, start=1) if count]
            if len(reached) > 1:
                return [typical_photos(library, gallery, exit, 1)[0] for exit in (reached[0], reached[-1])], name
        return list_photos(library, summary.id, limit=2), ""
