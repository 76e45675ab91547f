"""Another budget, or other phrases: what photos would run for it, and running it, batch by batch."""

import time
from collections.abc import Callable, Iterator, Sequence

import gradio as gr

from app.parts import STOP, Parts, Updates, button
from app.services import Services
from app.session import Session
from app.views import budget as views
from app.views import formatting, placeholders
from app.views.encoding import encoding, progress_bar
from app.work import Stopped, Waiting
from engine.gallery import (
    EngineError,
    IngestReport,
    ModelChanged,
    Progress,
    budget_cost,
    reencode_gallery,
    typed_phrases,
)


class Budget:
    """The one knob, and what people will look for."""

    def __init__(self, services: Services, parts: Parts) -> None:
        self._services, self._parts = services, parts

    def previewed(self, budget: float, looked_for: str | None, session: Session) -> Updates:
        """Another budget is looked at, or other phrases: what they would run."""
        services, parts = self._services, self._parts
        try:
            summary = services.access.gallery(session.gallery, session)
            anew = wished(looked_for, summary.phrases, session) != summary.phrases
            try:
                cost = budget_cost(services.library, summary.id, budget) if summary.in_all else None
            except ModelChanged:  # all photos run anew, whatever is looked for
                cost, anew = None, False
            may_apply = services.access.may_spend(summary, session)
            html = views.budget_preview(summary, budget, services.curve, cost, anew, may_apply)
            apply = button(views.action(summary, cost, anew), may_apply, self._pressable(session))
            return {parts.budget_preview: html, parts.apply: apply}
        except EngineError as error:
            return {parts.budget_preview: services.problem(error)}

    def applied(self, budget: float, looked_for: str | None, session: Session) -> Iterator[Updates]:
        """Apply was pressed.

        Args: looked_for: what people will look for, a phrase a line.
        """
        services, applied = self._services, self._parts.applied
        try:
            summary = services.access.recodable(session.gallery, session)
            # It names the gallery: another one may come on show meanwhile.
            title = f"Encoding “{formatting.isolated(summary.name)}” again at a budget of {formatting.percent(budget)}"
            yield {
                applied: encoding(title, None, 0.0, None, services.address),
                self._parts.stop_apply: button(STOP, True),
                self._parts.apply: gr.update(interactive=False),
            }
            phrases = wished(looked_for, summary.phrases, session)
            drawing = services.drawing
            began = time.monotonic()

            def encode(tell: Callable[[Progress | Waiting], object]) -> IngestReport:
                with services.access.work(session, tell) as tell, services.event_log.timed("ingest"):
                    return reencode_gallery(services.library, summary.id, budget, tell, phrases)

            events = services.begin("budget", session, encode)
            now = outcome = None
            try:
                for event in events:
                    if isinstance(event, Waiting):
                        yield {applied: progress_bar(title, formatting.in_line(event.place))}
                        began = time.monotonic()
                    elif isinstance(event, Progress):
                        now = event
                        self._goes_by(summary.id, budget, looked_for, session)  # from here on
                        seconds = time.monotonic() - began
                        yield {applied: encoding(title, event, seconds, drawing, services.address)}
                    elif isinstance(event, IngestReport):
                        outcome = views.encoded_again(services.access.gallery(summary.id, session), event, budget)
                        self._goes_by(summary.id, budget, looked_for, session)
            except Stopped:
                done = summary.in_all - now.total + now.done if now is not None else 0
                outcome = placeholders.said(
                    f"Stopped: {formatting.many(done)} of {formatting.grouped(summary.in_all)} of "
                    f"“{formatting.isolated(summary.name)}” are at the new budget, and stay."
                )
        except EngineError as error:
            outcome = services.problem(error)
            session.settings = None  # it may go by the new phrases by now
        yield {
            applied: outcome,
            self._parts.stop_apply: button(STOP, services.goes_on("budget", session)),
            self._parts.apply: gr.update(interactive=self._pressable(session)),
        }

    def _pressable(self, session: Session) -> bool:
        """Whether Apply may be pressed: Gradio drops a click while the one before is answered, and says nothing."""
        return not self._services.goes_on("budget", session)

    def _goes_by(self, gallery: int, budget: float, looked_for: str | None, session: Session) -> None:
        if session.gallery == gallery:  # the boxes are another one's where that has come on show meanwhile
            session.settings = budget, looked_for or ""


def typed(phrases: Sequence[str]) -> str:
    """Phrases as a text box holds them, one a line."""
    return "\n".join(phrases)


def wished(box: str | None, remembered: tuple[str, ...], session: Session) -> tuple[str, ...]:
    """The phrases that a text box asks for, which holds nothing until it is opened; raises PhrasesUnusable.

    Args: remembered: those of the gallery. They stay where the box is left as the page has filled it: another page or
        a command may have changed them since, and a file's may be more than a person would type.
    """
    filled = typed(remembered) if session.settings is None else session.settings[1]
    return remembered if (box or "") in (filled, typed(remembered)) else tuple(typed_phrases(box or ""))
