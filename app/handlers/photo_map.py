"""The map of a gallery, drawn when its tab is opened and not before."""

import gradio as gr

from app.handlers.galleries import GALLERY
from app.parts import Parts, Updates
from app.services import Services
from app.session import Session
from app.views.photo_map import photo_map
from engine.gallery import EngineError, map_gallery, require_model


class GalleryMap:
    """One gallery's map."""

    def __init__(self, services: Services, parts: Parts) -> None:
        self._services, self._parts = services, parts

    def drawn(self, session: Session) -> Updates:
        """The gallery's tab was opened."""
        services = self._services
        try:
            summary = services.access.gallery(session.gallery, session)
            with services.access.turn(session):
                require_model(services.library, summary.id)
                places = map_gallery(services.library, summary.id)
        except EngineError:  # the figures above say so
            return {self._parts.map: ""}
        return {self._parts.map: photo_map(places, summary.photos, services.address)}

    def drawn_if_open(self, session: Session) -> Updates:
        """Another gallery is on show, or its photos went deeper."""
        return self.drawn(session) if session.tab == GALLERY else {self._parts.map: gr.skip()}
