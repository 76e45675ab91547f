"""The full encoder beside the one that stops early: both rankings, and a race."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import gradio as gr

from app.fidelity import fidelity
from app.parts import STOP, Parts, Updates, button
from app.services import Services
from app.session import Session
from app.views import comparison as views
from app.views import formatting, header, placeholders
from app.views.certificate import card
from app.work import SECOND, Stopped, Waiting
from engine.gallery import (
    EngineError,
    GalleryMissing,
    GallerySummary,
    Lap,
    ModelChanged,
    Race,
    compare_rankings,
    embed_query,
    get_photos,
    require_model,
)

COMPARE = "Compare"  # the title of the tab


class Compare:
    """Two encoders, one gallery."""

    def __init__(self, services: Services, parts: Parts) -> None:
        self._services, self._parts = services, parts
        self._races: dict[int, Lap | Waiting | None] = {}  # how far those that go on are, by gallery
        self._racers: dict[int, tuple[Session]] = {}  # who has begun them, each time as another object

    def shown(self, session: Session) -> Iterator[Updates]:
        """The tab was opened, or what it shows has changed; the rankings may have to run photos in full first."""
        services, race, rankings = self._services, self._parts.race, self._parts.rankings
        try:
            summary = services.access.gallery(session.gallery, session)
            if not summary.photos:
                note = placeholders.note("Nothing to compare yet", "Add photos first; then both encoders can race.")
                note = services.empty(summary, session) if summary.waiting else note
                yield {race: note, rankings: "", self._parts.start_race: gr.update(visible=False)}
                return
            require_model(services.library, summary.id)  # or there is nothing to compare with, nor to race
            with services.access.turn(session):
                measured = services.measured(summary)
                known = fidelity(summary, services.curve)
                result = views.race_result(measured, known) if measured is not None else ""
                result += card(services.library.certificate_of(summary.id))
            may_race = services.access.may_spend(summary, session)
            session.racing = summary.id in self._racers
            told = _how_far(self._races.get(summary.id)) if session.racing else result
            yield {race: told, self._parts.start_race: gr.update(visible=may_race)}
            asked = session.gallery, session.query
            with services.access.turn(session):
                ranked = self._rankings(session, summary)
            with session.sending.after_the_last():
                if asked == (session.gallery, session.query):  # else what is asked now is compared beside
                    yield {rankings: ranked}
        except EngineError as error:
            problem: Updates = {race: services.problem(error, session), rankings: ""}
            if isinstance(error, GalleryMissing | ModelChanged):
                problem[self._parts.start_race] = gr.update(visible=False)
            yield problem

    def shown_if_open(self, session: Session) -> Iterator[Updates]:
        """Another query was asked, or another gallery picked: drawn anew if the tab is open."""
        if session.tab == COMPARE:
            yield from self.shown(session)

    def raced(self, session: Session) -> Iterator[Updates]:
        """Race was pressed."""
        race = self._parts.race
        try:
            summary = self._services.access.gallery(session.gallery, session)
            self._services.access.require_race(summary, session)
            me = (session,)
            if self._racers.setdefault(summary.id, me) is not me:  # two may press together, or one twice
                yield from self.followed(session)
                return
            events = self._services.begin("race", session, lambda tell: self._race(summary.id, session, tell))
            yield {race: _how_far(None), **self._buttons(running=True)}
            for event in events:
                if isinstance(event, Waiting | Lap) and session.gallery == summary.id:  # else another one is on show
                    yield {race: _how_far(event)}
            yield from self._over(session, summary)
        except Stopped:
            stopped = self._buttons(running=False)
            if session.gallery == summary.id:  # else another one is on show
                stopped[race] = placeholders.said("Stopped: nothing was kept of this race.")
            yield stopped
        except EngineError as error:
            yield {race: self._services.problem(error), **self._buttons(running=False)}

    def followed(self, session: Session) -> Iterator[Updates]:
        """A race that another page has begun, as this one before it was loaded again, is told of until it is over."""
        services = self._services
        with suppress(EngineError):  # of a gallery that is not theirs to see
            summary = services.access.gallery(session.gallery, session)
            (racer,) = self._racers.get(summary.id, (session,))
            if racer is session:  # whose page is told already
                if session.racing and summary.id not in self._racers:  # but not since the tab was drawn
                    yield from self._over(session, summary)
                return
            buttons = self._buttons(running=True)
            if services.access.may_spend(summary, session):
                services.share_work("race", racer, session)  # to stop it
            else:
                buttons.pop(self._parts.stop_race)
            while summary.id in self._racers and session.gallery == summary.id:
                yield {self._parts.race: _how_far(self._races.get(summary.id)), **buttons}
                time.sleep(SECOND)
            yield from self._over(session, summary)

    def _over(self, session: Session, summary: GallerySummary) -> Iterator[Updates]:
        """What has become of a gallery's race."""
        yield from self.shown(session)
        told = self._buttons(running=False)
        if session.gallery == summary.id:  # else another one has come on show
            told[self._parts.headline] = header.headline(summary, self._services.measured(summary))
        yield told

    def _buttons(self, running: bool) -> Updates:
        return {
            self._parts.start_race: gr.update(interactive=not running),
            self._parts.stop_race: button(STOP, running),
        }

    def _race(self, gallery: int, session: Session, tell: Callable[[Lap | Waiting], object]) -> Race:
        def told(event: Lap | Waiting) -> None:
            self._races[gallery] = event
            tell(event)

        try:
            with self._services.access.work(session, told), self._services.event_log.timed("race"):
                return self._services.comparison.race(gallery, told)
        finally:
            self._races.pop(gallery, None)
            self._racers.pop(gallery, None)

    def _rankings(self, session: Session, summary: GallerySummary) -> str:
        services = self._services
        run = services.comparison.full_run(summary.id, session.year)
        if run is None and summary.kind == "demo":  # small, and to be seen from the start
            services.comparison.run_in_full(summary.id)
            run = services.comparison.full_run(summary.id, session.year)
        if run is None and services.access.may_spend(summary, session):
            return views.invitation(summary.photos)
        if run is None:
            return placeholders.note("Not compared yet", "Its owner has not run it through both encoders.")
        query = embed_query(services.library, summary.id, session.query, session.dropped)
        if query is None:
            return placeholders.note("Ask something", "Search for anything, and both rankings stand here side by side.")
        if not len(run.ids):
            return placeholders.note("Nothing to compare", "No photo of the year that you chose was in the race.")
        found = compare_rankings(services.library, summary.id, run, query)
        # Those that were deleted since they were ranked are left out.
        shown = get_photos(services.library, [*dict.fromkeys([*found.shown, *found.full])])
        pictures = {photo.id: photo for photo in shown}
        among = views.compared(len(run.ids), session.year)
        return views.sides(session.title, found, pictures, services.drawing, services.address, among, run.macs)


def _how_far(event: Lap | Waiting | None) -> str:
    if isinstance(event, Waiting):
        return placeholders.said(formatting.in_line(event.place))
    return views.racing(event)
