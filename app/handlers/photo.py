"""The selected photo: chosen, explained, run to full depth."""

from typing import Any

import gradio as gr
import numpy as np

from app.handlers.events import sent_along
from app.services import Services
from app.session import Session
from app.views import notes, photo
from engine.gallery import (
    BUDGET_GRID,
    AllSpent,
    EngineError,
    Photo,
    embed_query,
    explain_photo,
    run_to_full_depth,
    search_photos,
    summarize_gallery,
)

GONE = "This photo is not there any more; search again."


class Selection:
    """One photo at a time."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def selected(self, event: gr.EventData, session: Session) -> str:
        """A photo was chosen. Returns: panel."""
        try:
            chosen = self._services.access.photo(int(sent_along(event, "photo")), session)
            session.photo = chosen.id
            return self._panel(chosen, session)
        except EngineError as error:
            return self._services.problem(error)
        except (ValueError, OverflowError):
            return notes.problem(GONE)

    def explained(self, session: Session) -> str:
        """How the query fits at every exit was asked for. Returns: panel."""
        services = self._services
        try:
            chosen = self._chosen(session)
            with services.access.turn(session):
                vector = embed_query(services.library, chosen.collection_id, session.query, session.dropped)
                similarities = explain_photo(services.library, chosen.id, vector) if vector is not None else None
            if similarities is None:
                return self._panel(
                    chosen, session, notes.said("Search for something first; this shows how the photo fits it.")
                )
            drawing = services.drawing
            reached, spent = drawing.trace(chosen).reached, sum(s.macs for s in drawing.stages) / drawing.full_macs
            return self._panel(chosen, session, photo.fit(session.query, similarities, chosen.exit, reached, spent))
        except EngineError as error:
            return services.problem(error)

    def deepened(self, session: Session) -> str:
        """The photo is to be run to full depth. Returns: panel."""
        services = self._services
        try:
            before = self._chosen(session)
            rank = again = session.rank(before.id)
            keeps = services.access.keeps(summarize_gallery(services.library, before.collection_id), session)
            with services.access.turn(session):
                after = run_to_full_depth(services.library, before.id, bounded=not keeps)
                if rank is not None:
                    vector = embed_query(services.library, after.collection_id, session.query, session.dropped)
                    assert vector is not None
                    session.hits = search_photos(services.library, after.collection_id, vector, len(session.hits))
                    again = session.rank(before.id)
            words = photo.deepened(rank, again, after.macs - before.macs, services.drawing.full_macs)
            return self._panel(after, session, words)
        except AllSpent as error:
            return self._panel(before, session, notes.said(str(error)))
        except EngineError as error:
            return services.problem(error)

    def _chosen(self, session: Session) -> Photo:
        return self._services.access.photo(session.photo if session.photo is not None else 0, session)

    def _panel(self, chosen: Photo, session: Session, extra: str = "") -> str:
        services = self._services
        own = services.access.owns(summarize_gallery(services.library, chosen.collection_id), session)
        return photo.panel(
            chosen, services.drawing, gates_of(chosen), services.address, True, services.credit(chosen), extra, own
        )


def gates_of(chosen: Photo) -> Any:
    """The gate's probability at each gated exit that a photo reached, at its budget; none for a model without exits."""
    column = int(np.abs(np.asarray(BUDGET_GRID) - chosen.budget).argmin())
    return chosen.gates[:, column].tolist() if chosen.gates.size else []
