"""The full encoder beside the one that stops early, and the screens of present mode."""

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from app.handlers.search import COMPARE
from app.services import Services
from app.session import Session
from app.views import comparison as views
from app.views import formatting, notes, present
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
    embed_query,
    full_depth_ranking,
    get_photo,
    rank_photos,
    require_model,
    typical_photos,
)

FIRST = 10  # places that are compared


class Compare:
    """Two encoders, one gallery."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def shown(self, session: Session) -> tuple[Any, Any]:
        """The tab was opened, or what it shows has changed. Returns: race, both rankings."""
        services = self._services
        try:
            summary = services.access.gallery(session.gallery, session)
            if not summary.photos:
                return notes.note("Nothing to compare yet", "Add photos first; then both encoders can race."), ""
            with services.access.turn(session):
                return views.race_result(services.comparison.last(summary.id)), self._sides(session, summary)
        except EngineError as error:
            return services.problem(error), ""

    def stirred(self, session: Session) -> tuple[Any, Any]:
        """Another query was asked, or another gallery picked: drawn anew if the tab is open. Returns: as `shown`."""
        return self.shown(session) if session.tab == COMPARE else (gr.skip(), gr.skip())

    def raced(self, session: Session) -> Iterator[tuple[Any, Any, Any, Any]]:
        """Race was pressed. Yields: race, both rankings, race button, stop button."""
        services = self._services
        begin, end = gr.update(interactive=False), gr.update(interactive=True)
        yield views.racing(None, MOST_RACED), gr.skip(), begin, gr.update(visible=True)
        try:
            summary = services.access.gallery(session.gallery, session)
            for event in services.begin("race", session, lambda tell: self._race(summary.id, session, tell)):
                if isinstance(event, Waiting):
                    yield notes.said(formatting.in_line(event.place)), gr.skip(), gr.skip(), gr.skip()
                elif isinstance(event, Lap):
                    yield views.racing(event, MOST_RACED), gr.skip(), gr.skip(), gr.skip()
            yield *self.shown(session), end, gr.update(visible=False)
        except Stopped:
            yield notes.said("Stopped: nothing was kept of this race."), gr.skip(), end, gr.update(visible=False)
        except EngineError as error:
            yield services.problem(error), gr.skip(), end, gr.update(visible=False)

    def stopped(self, session: Session) -> None:
        """Stop was pressed."""
        self._services.stop("race", session)

    def _race(self, gallery: int, session: Session, tell: Callable[[Lap | Waiting], object]) -> Race:
        with self._services.access.work(session, tell), self._services.event_log.timed("race"):
            return self._services.comparison.race(gallery, tell)

    def presented(self, session: Session) -> str:
        """Present was pressed. Returns: the screens."""
        services = self._services
        try:
            summary = services.access.gallery(session.gallery, session)
            last = services.comparison.last(summary.id)
            query = session.query
            with services.access.turn(session):
                require_model(services.library, summary.id)
                found = self._agreement(session, summary, services.comparison.full_run(summary.id))
                ends = self._ends(summary)
            return present.present(summary, services.drawing, last, found, query, ends, services.address)
        except EngineError as error:
            return services.problem(error)

    def _sides(self, session: Session, summary: GallerySummary) -> str:
        services = self._services
        run = services.comparison.full_run(summary.id)
        if run is None:
            return views.invitation(summary.photos, MOST_RACED)
        found = self._agreement(session, summary, run)
        if found is None:
            return notes.note("Ask something", "Search for anything, and both rankings stand here side by side.")
        ids = dict.fromkeys([*found.shown, *found.full])
        pictures: dict[int, Photo] = {}
        for id in ids:
            try:
                pictures[id] = get_photo(services.library, id)
            except PhotoMissing:  # deleted since it was ranked
                continue
        return views.sides(session.query, found, pictures, services.drawing, services.address, len(run.ids), run.macs)

    def _agreement(self, session: Session, summary: GallerySummary, run: FullRun | None) -> Agreement | None:
        """How the ranking on show agrees with the full encoder's, over the photos that both know."""
        library = self._services.library
        vector = embed_query(library, summary.id, session.query, session.dropped) if run is not None else None
        if run is None or vector is None:
            return None
        ours = rank_photos(library, summary.id, vector, run.ids.tolist())
        return agreement(ours, [id for id, _ in full_depth_ranking(run, vector, FIRST)], FIRST)

    def _ends(self, summary: GallerySummary) -> list[Photo]:
        """A typical photo of those that left early, and one of those that went deep; none where all are alike."""
        reached = [exit for exit, count in enumerate(summary.exits, start=1) if count]
        if len(reached) < 2:
            return []
        return [typical_photos(self._services.library, summary.id, exit, 1)[0] for exit in (reached[0], reached[-1])]
