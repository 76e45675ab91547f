"""The full encoder beside the one that stops early, and the screens of present mode."""

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from app.context import Context
from app.handlers.search import COMPARE
from app.views import comparison as views
from app.views import notes, present, words
from app.visit import Visit
from app.work import Stopped, Waiting
from engine.gallery import (
    MOST_RACED,
    Agreement,
    EngineError,
    FullRun,
    GallerySummary,
    Lap,
    Photo,
    PhotoMissing,
    Race,
    agreement,
    full_depth_ranking,
)

FIRST = 10  # places that are compared


class Compare:
    """Two encoders, one gallery."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def shown(self, visit: Visit) -> tuple[Any, Any]:
        """The tab was opened, or what it shows has changed. Returns: race, both rankings."""
        context = self._context
        try:
            summary = context.access.gallery(visit.gallery, visit)
            if not summary.photos:
                return notes.note("Nothing to compare yet", "Add photos first; then both encoders can race."), ""
            with context.access.turn(visit):
                return views.race_result(context.comparison.last(summary.id)), self._sides(visit, summary)
        except EngineError as error:
            return context.problem(error), ""

    def stirred(self, visit: Visit) -> tuple[Any, Any]:
        """Another query was asked, or another gallery picked: drawn anew if the tab is open. Returns: as `shown`."""
        return self.shown(visit) if visit.tab == COMPARE else (gr.skip(), gr.skip())

    def raced(self, visit: Visit) -> Iterator[tuple[Any, Any, Any, Any]]:
        """Race was pressed. Yields: race, both rankings, race button, stop button."""
        context = self._context
        begin, end = gr.update(interactive=False), gr.update(interactive=True)
        yield views.racing(None, MOST_RACED), gr.skip(), begin, gr.update(visible=True)
        try:
            summary = context.access.gallery(visit.gallery, visit)
            for event in context.begin("race", visit, lambda tell: self._race(summary.id, visit, tell)):
                if isinstance(event, Waiting):
                    yield notes.said(words.in_line(event.place)), gr.skip(), gr.skip(), gr.skip()
                elif isinstance(event, Lap):
                    yield views.racing(event, MOST_RACED), gr.skip(), gr.skip(), gr.skip()
            yield *self.shown(visit), end, gr.update(visible=False)
        except Stopped:
            yield notes.said("Stopped: nothing was kept of this race."), gr.skip(), end, gr.update(visible=False)
        except EngineError as error:
            yield context.problem(error), gr.skip(), end, gr.update(visible=False)

    def stopped(self, visit: Visit) -> None:
        """Stop was pressed."""
        self._context.stop("race", visit)

    def _race(self, gallery: int, visit: Visit, tell: Callable[[Lap | Waiting], object]) -> Race:
        with self._context.access.work(visit, tell), self._context.journal.timed("race"):
            return self._context.comparison.race(gallery, tell)

    def presented(self, visit: Visit) -> str:
        """Present was pressed. Returns: the screens."""
        context = self._context
        try:
            summary = context.access.gallery(visit.gallery, visit)
            last = context.comparison.last(summary.id)
            query = visit.query
            with context.access.turn(visit):
                context.catalog.require_model(summary.id)
                found = self._agreement(visit, summary, context.comparison.full_run(summary.id))
                ends = self._ends(summary)
            return present.present(summary, context.drawing, last, found, query, ends, context.address)
        except EngineError as error:
            return context.problem(error)

    def _sides(self, visit: Visit, summary: GallerySummary) -> str:
        context = self._context
        run = context.comparison.full_run(summary.id)
        if run is None:
            return views.invitation(summary.photos, MOST_RACED)
        found = self._agreement(visit, summary, run)
        if found is None:
            return notes.note("Ask something", "Search for anything, and both rankings stand here side by side.")
        ids = dict.fromkeys([*found.shown, *found.full])
        pictures: dict[int, Photo] = {}
        for id in ids:
            try:
                pictures[id] = context.catalog.photo(id)
            except PhotoMissing:  # deleted since it was ranked
                continue
        return views.sides(visit.query, found, pictures, context.drawing, context.address, len(run.ids), run.macs)

    def _agreement(self, visit: Visit, summary: GallerySummary, run: FullRun | None) -> Agreement | None:
        """How the ranking on show agrees with the full encoder's, over the photos that both know."""
        catalog = self._context.catalog
        vector = catalog.embed_query(summary.id, visit.query, visit.dropped) if run is not None else None
        if run is None or vector is None:
            return None
        ours = catalog.ranked(summary.id, vector, run.ids.tolist())
        return agreement(ours, [id for id, _ in full_depth_ranking(run, vector, FIRST)], FIRST)

    def _ends(self, summary: GallerySummary) -> list[Photo]:
        """A typical photo of those that left early, and one of those that went deep; none where all are alike."""
        reached = [exit for exit, count in enumerate(summary.exits, start=1) if count]
        if len(reached) < 2:
            return []
        return [self._context.catalog.at_exit(summary.id, exit, 1)[0] for exit in (reached[0], reached[-1])]
