"""Another budget, or other guide texts, applied: a gallery's photos are encoded again, batch by batch."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from app.context import Context
from app.views import intake, notes, words
from app.visit import Visit
from app.work import Stopped, Waiting
from engine.gallery import EngineError, GuideTexts, IngestReport, Progress, typed_guide_texts


class Budget:
    """The one knob, and what people will look for."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def applied(self, budget: float, looked_for: str, visit: Visit) -> Iterator[tuple[Any, ...]]:
        """Apply was pressed. Yields: account of it, stop button.

        Args: looked_for: the owner's guide texts, a phrase a line.
        """
        context = self._context
        title = f"Encoding again at a budget of {words.percent(budget)}"
        yield intake.encoding(title, None, 0.0, None, context.address), gr.update(visible=True)
        try:
            summary = context.access.recodable(visit.gallery, visit)
            guides = as_typed(looked_for, summary.guides)
            drawing = context.drawing
            began = time.monotonic()
            events = context.begin("budget", visit, lambda tell: self._encode(summary.id, budget, guides, visit, tell))
            now = account = None
            try:
                for event in events:
                    if isinstance(event, Waiting):
                        yield intake.waiting(title, event.place), gr.skip()
                        began = time.monotonic()
                    elif isinstance(event, Progress):
                        now = event
                        seconds = time.monotonic() - began
                        yield intake.encoding(title, event, seconds, drawing, context.address), gr.skip()
                    elif isinstance(event, IngestReport):
                        account = intake.encoded_again(event, budget, bool(guides.phrases))
            except Stopped:
                done = summary.photos - now.total + now.done if now is not None else 0
                account = notes.said(
                    f"Stopped: {words.many(done)} of {summary.photos} are at the new budget, and stay."
                )
        except EngineError as error:
            account = context.problem(error)
        yield account, gr.update(visible=context.goes_on("budget", visit))

    def stopped(self, visit: Visit) -> None:
        """Stop was pressed."""
        self._context.stop("budget", visit)

    def _encode(
        self,
        gallery: int,
        budget: float,
        guides: GuideTexts,
        visit: Visit,
        tell: Callable[[Progress | Waiting], object],
    ) -> IngestReport:
        with self._context.access.work(visit, tell), self._context.journal.timed("ingest"):
            return self._context.catalog.reencode(gallery, budget, tell, guides)


def typed(guides: GuideTexts | None) -> str:
    """An owner's guide texts as a text box holds them, a phrase a line."""
    return "\n".join(guides.phrases) if guides else ""


def as_typed(text: str, remembered: GuideTexts | None) -> GuideTexts:
    """The guide texts that a text box holds; raises GuideTextsUnusable.

    Args: remembered: those of the gallery. Left as they are, they may be more than a person would type: a file's.
    """
    if remembered is not None and text == typed(remembered):
        return remembered
    phrases = tuple(typed_guide_texts(text))
    return GuideTexts(phrases, bool(phrases and remembered and remembered.only))
