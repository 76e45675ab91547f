"""The whole ranking on show as a file."""

import gradio as gr

from app import export
from app.handlers.events import sent_along
from app.handlers.search import Search
from app.parts import Parts, Updates
from app.services import Services
from app.session import Session
from app.views import placeholders
from engine.gallery import EngineError

MOST = 10_000  # photos in a file


class Export:
    """A ranking to take away."""

    def __init__(self, services: Services, parts: Parts, search: Search) -> None:
        self._services, self._parts, self._search = services, parts, search

    def exported(self, event: gr.EventData, session: Session) -> Updates:
        """The whole ranking as a file."""
        services, kind = self._services, "csv" if sent_along(event, "kind") == "csv" else "json"
        try:
            summary = services.access.gallery(session.gallery, session)
            with services.access.turn(session):
                hits = self._search.ranked(session, min(summary.photos, MOST))
        except EngineError as error:
            return {self._parts.notice: placeholders.missed(services.sentence(error))}
        if kind == "csv":
            text = export.as_csv(hits, summary)
        else:
            text = export.as_json(session.title, session.year, hits, summary)
        return {self._parts.file: export.link(kind, text)}
