"""The selected photo: chosen, explained, run to full depth."""

from typing import Any

import gradio as gr
import numpy as np

from app.context import Context
from app.handlers.events import sent_along
from app.views import notes, photo
from app.visit import Visit
from engine.gallery import BUDGET_GRID, AllSpent, EngineError, Photo

GONE = "This photo is not there any more; search again."


class Selection:
    """One photo at a time."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def selected(self, event: gr.EventData, visit: Visit) -> str:
        """A photo was chosen. Returns: panel."""
        try:
            chosen = self._context.access.photo(int(sent_along(event, "photo")), visit)
            visit.photo = chosen.id
            return self._panel(chosen, visit)
        except EngineError as error:
            return self._context.problem(error)
        except (ValueError, OverflowError):
            return notes.problem(GONE)

    def explained(self, visit: Visit) -> str:
        """How the query fits at every exit was asked for. Returns: panel."""
        context = self._context
        try:
            chosen = self._chosen(visit)
            with context.access.turn(visit):
                vector = context.catalog.embed_query(chosen.collection_id, visit.query, visit.dropped)
                similarities = context.catalog.explain(chosen.id, vector) if vector is not None else None
            if similarities is None:
                return self._panel(
                    chosen, visit, notes.said("Search for something first; this shows how the photo fits it.")
                )
            drawing = context.drawing
            reached, spent = drawing.course(chosen).reached, sum(s.macs for s in drawing.stages) / drawing.full_macs
            return self._panel(chosen, visit, photo.fit(visit.query, similarities, chosen.exit, reached, spent))
        except EngineError as error:
            return context.problem(error)

    def deepened(self, visit: Visit) -> str:
        """The photo is to be run to full depth. Returns: panel."""
        context = self._context
        try:
            before = self._chosen(visit)
            rank = again = visit.rank(before.id)
            keeps = context.access.keeps(context.catalog.summary(before.collection_id), visit)
            with context.access.turn(visit):
                after = context.catalog.deepen(before.id, bounded=not keeps)
                if rank is not None:
                    vector = context.catalog.embed_query(after.collection_id, visit.query, visit.dropped)
                    assert vector is not None
                    visit.hits = context.catalog.search(after.collection_id, vector, len(visit.hits))
                    again = visit.rank(before.id)
            words = photo.deepened(rank, again, after.macs - before.macs, context.drawing.full_macs)
            return self._panel(after, visit, words)
        except AllSpent as error:
            return self._panel(before, visit, notes.said(str(error)))
        except EngineError as error:
            return context.problem(error)

    def _chosen(self, visit: Visit) -> Photo:
        return self._context.access.photo(visit.photo if visit.photo is not None else 0, visit)

    def _panel(self, chosen: Photo, visit: Visit, extra: str = "") -> str:
        context = self._context
        own = context.access.owns(context.catalog.summary(chosen.collection_id), visit)
        return photo.panel(
            chosen, context.drawing, gates_of(chosen), context.address, True, context.credit(chosen), extra, own
        )


def gates_of(chosen: Photo) -> Any:
    """The gate's probability at each gated exit that a photo reached, at its budget; none for a model without exits."""
    column = int(np.abs(np.asarray(BUDGET_GRID) - chosen.budget).argmin())
    return chosen.gates[:, column].tolist() if chosen.gates.size else []
