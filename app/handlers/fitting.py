"""Exits for a model that has none, fitted on the gallery that is on show."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import gradio as gr

from app.access import NotYours
from app.services import Services
from app.session import Session
from app.views import formatting, notes
from app.work import Stopped, Waiting
from engine.gallery import EngineError, Progress, fit_exits, reencode_gallery


class FitStep(NamedTuple):
    """What is being done, and how far it is."""

    what: str
    done: int
    total: int


class Fitting:
    """Fits exits for a model that has none."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def offered(self, session: Session) -> tuple[Any, Any]:
        """The gallery's tab was opened. Returns: note, button; there is something to offer where there are no exits."""
        try:
            encoder = self._services.library.encoder
        except EngineError as error:
            return self._services.problem(error), gr.update(visible=False)
        if encoder.exits > 1:
            return "", gr.update(visible=False)
        sentence = (
            "Every photo runs to full depth. Exits can be fitted on this gallery’s photos; they need no captions."
        )
        return notes.note(f"{encoder.identity.model} has no exit modules", sentence), gr.update(
            visible=self._services.access.alone  # the model is everyone's
        )

    def fitted(self, session: Session) -> Iterator[tuple[Any, Any, Any]]:
        """The button was pressed. Yields: note, button, stop button."""
        library, idle = self._services.library, gr.update(visible=False)
        yield notes.said("Loading the photos."), gr.update(visible=False), gr.update(visible=True)
        try:
            gallery = self._services.access.gallery(session.gallery, session)
            if not self._services.access.alone:
                raise NotYours("The model is everyone’s here; exits for it are fitted by who keeps this page.")

            def work(tell: Any) -> Any:
                with self._services.access.work(session, tell):
                    fit_exits(library, gallery.id, lambda *step: tell(FitStep(*step)))
                    return reencode_gallery(library, gallery.id, on_progress=tell)

            try:
                for event in self._services.begin("fit", session, work):
                    if isinstance(event, FitStep):
                        yield notes.said(f"{event.what}: {event.done} of {event.total}"), gr.skip(), gr.skip()
                    elif isinstance(event, Waiting):
                        yield notes.said(formatting.in_line(event.place)), gr.skip(), gr.skip()
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
            yield self._services.problem(error), gr.update(visible=True), idle

    def stopped(self, session: Session) -> None:
        """Stop was pressed."""
        self._services.stop("fit", session)
