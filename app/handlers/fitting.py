"""Exits for a model that has none, fitted on the gallery that is on show."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import gradio as gr

from app.access import NotYours
from app.context import Context
from app.views import notes, words
from app.visit import Visit
from app.work import Stopped, Waiting
from engine.gallery import EngineError, Progress


class Step(NamedTuple):
    """What is being done, and how far it is."""

    what: str
    done: int
    total: int


class Fitting:
    """The way from full depth to stopping early."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def offered(self, visit: Visit) -> tuple[Any, Any]:
        """The gallery's tab was opened. Returns: note, button; there is something to offer where there are no exits."""
        try:
            encoder = self._context.catalog.encoder
        except EngineError as error:
            return self._context.problem(error), gr.update(visible=False)
        if encoder.exits > 1:
            return "", gr.update(visible=False)
        sentence = (
            "Every photo runs to full depth. Exits can be fitted on this gallery’s photos; they need no captions."
        )
        return notes.note(f"{encoder.identity.model} has no exit modules", sentence), gr.update(
            visible=self._context.access.alone  # the model is everyone's
        )

    def fitted(self, visit: Visit) -> Iterator[tuple[Any, Any, Any]]:
        """The button was pressed. Yields: note, button, stop button."""
        catalog, idle = self._context.catalog, gr.update(visible=False)
        yield notes.said("Loading the photos."), gr.update(visible=False), gr.update(visible=True)
        try:
            gallery = self._context.access.gallery(visit.gallery, visit)
            if not self._context.access.alone:
                raise NotYours("The model is everyone’s here; exits for it are fitted by who keeps this page.")

            def work(tell: Any) -> Any:
                with self._context.access.work(visit, tell):
                    catalog.fit_exits(gallery.id, lambda *step: tell(Step(*step)))
                    return catalog.reencode(gallery.id, on_progress=tell)

            try:
                for event in self._context.begin("fit", visit, work):
                    if isinstance(event, Step):
                        yield notes.said(f"{event.what}: {event.done} of {event.total}"), gr.skip(), gr.skip()
                    elif isinstance(event, Waiting):
                        yield notes.said(words.in_line(event.place)), gr.skip(), gr.skip()
                    elif isinstance(event, Progress):
                        line = f"Encoding this gallery again: {event.done} of {event.total} photos"
                        yield notes.said(line), gr.skip(), gr.skip()
                yield notes.said("Photos leave early from now on."), idle, idle
            except Stopped:
                yield (
                    notes.said("Stopped. What was done is kept: it goes on from there."),
                    gr.update(visible=True),
                    idle,
                )
        except EngineError as error:
            yield self._context.problem(error), gr.update(visible=True), idle

    def stopped(self, visit: Visit) -> None:
        """Stop was pressed."""
        self._context.stop("fit", visit)
