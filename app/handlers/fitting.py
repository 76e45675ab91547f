"""Exits for a model that has none, fitted on the gallery that is on show."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from app.access import NotYours
from app.parts import FIT, STOP, Parts, Updates, button
from app.services import Services
from app.session import Session
from app.views import formatting, placeholders
from app.work import Stopped, Waiting
from engine.gallery import FULL_DEPTH, EngineError, Progress, fit_exits, reencode_gallery

EARLY = "Photos leave early from now on."


class FitStep(NamedTuple):
    """What is being done, and how far it is."""

    what: str
    done: int
    total: int


class Fitting:
    """Fits exits for a model that has none."""

    def __init__(self, services: Services, parts: Parts) -> None:
        self._services, self._parts = services, parts

    def offered(self) -> Updates:
        """The gallery's tab was opened: where the model has no exits, they are offered."""
        try:
            encoder = self._services.library.encoder
        except EngineError as error:
            return self._said(self._services.problem(error), fit=False)
        if encoder.exits > 1:
            return self._said("", fit=False)
        sentence = (
            "Every photo runs to full depth. Exits can be fitted on this gallery’s photos; they need no captions."
        )
        note = placeholders.note(f"{encoder.identity.model} has no exit modules", sentence)
        return self._said(note, fit=self._services.access.alone)  # the model is everyone's

    def fitted(self, session: Session) -> Iterator[Updates]:
        """The button was pressed."""
        said = self._parts.no_exits
        yield self._said(placeholders.said("Loading the photos."), fit=False, stop=True)
        try:
            for event in self._services.begin("fit", session, self._work(session)):
                if isinstance(event, FitStep):
                    yield {said: placeholders.said(f"{event.what}: {formatting.out_of(event.done, event.total)}")}
                elif isinstance(event, Waiting):
                    yield {said: placeholders.said(formatting.in_line(event.place))}
                elif isinstance(event, Progress):
                    done = f"Encoding this gallery again: {formatting.out_of(event.done, event.total)} photos"
                    yield {said: placeholders.said(done)}
            verdict = EARLY if self._services.library.encoder.exits > 1 else FULL_DEPTH
            yield self._said(placeholders.said(verdict), fit=False)
        except Stopped:
            yield self._said(placeholders.said("Stopped. What was done is kept: it goes on from there."), fit=True)
        except EngineError as error:
            yield self._said(self._services.problem(error), fit=True)

    def _work(self, session: Session) -> Callable[[Callable[[Any], None]], Any]:
        """What fits exits on the gallery on show, then encodes it again; raises GalleryMissing, NotYours."""
        library, access = self._services.library, self._services.access
        gallery = access.gallery(session.gallery, session)
        if not access.alone:
            raise NotYours("The model is everyone’s here; exits for it are fitted by who keeps this page.")

        def work(tell: Callable[[Any], None]) -> Any:
            with access.work(session, tell):
                fit_exits(library, gallery.id, lambda *step: tell(FitStep(*step)))
                return reencode_gallery(library, gallery.id, on_progress=tell)

        return work

    def _said(self, html: str, fit: bool, stop: bool = False) -> Updates:
        """A line, and which of the two buttons is there."""
        return {
            self._parts.no_exits: html,
            self._parts.fit: button(FIT, fit),
            self._parts.stop_fit: button(STOP, stop),
        }
