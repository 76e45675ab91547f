"""A gallery as a whole, in its tab: figures, where its photos leave, and a map."""

from collections.abc import Iterator

from app.handlers.budget import Budget
from app.handlers.search import Search
from app.parts import Parts, Updates
from app.services import Services
from app.session import Session
from app.views import overview
from app.views.photo_map import photo_map
from engine.gallery import EngineError, ModelChanged, map_gallery, require_model, typical_photos

GALLERY = "Gallery"  # the title of the tab


class Overview:
    """The gallery on show, seen from above."""

    def __init__(self, services: Services, parts: Parts, search: Search) -> None:
        self._services, self._parts, self._search = services, parts, search
        self._budget = Budget(services, parts)

    def shown(self, budget: float, looked_for: str | None, session: Session) -> Iterator[Updates]:
        """The gallery's tab was opened, or what it shows has changed."""
        services, parts, on_show = self._services, self._parts, session.gallery
        try:
            summary = services.access.gallery(on_show, session)
            with services.access.turn(session):
                require_model(services.library, summary.id)  # another model's exits are not this one's
                exits = range(1, len(summary.exits) + 1)
                typical = {exit: typical_photos(services.library, summary.id, exit) for exit in exits}
            drawn = {
                parts.figures: overview.figures(summary, services.measured(summary)),
                parts.histogram: overview.histogram(summary, services.drawing, typical, services.address),
                parts.curve: overview.curve(services.curve, summary.budget),
                **self._budget.previewed(budget, looked_for, session),
                **self._search.headline(session),  # another page may have changed the gallery
            }
        except ModelChanged as error:
            drawn = {
                **dict.fromkeys(parts.drawn_overview, ""),
                parts.figures: services.problem(error, session),
                **self._budget.previewed(budget, looked_for, session),  # with the button that mends it
            }
        except EngineError as error:
            drawn = {parts.figures: services.problem(error)}
        yield from _if_on_show(on_show, drawn, session)

    def shown_if_open(self, budget: float, looked_for: str | None, session: Session) -> Iterator[Updates]:
        """A query may have changed what the gallery's tab shows: drawn anew if that is open."""
        if session.tab == GALLERY:
            yield from self.shown(budget, looked_for, session)

    def map(self, session: Session) -> Iterator[Updates]:
        """The tab was opened: the map is drawn then, and not before."""
        services, on_show = self._services, session.gallery
        try:
            summary = services.access.gallery(on_show, session)
            with services.access.turn(session):
                require_model(services.library, summary.id)
                places = map_gallery(services.library, summary.id)
            drawn = photo_map(places, summary.photos, services.address)
        except EngineError:  # the figures above say so
            drawn = ""
        yield from _if_on_show(on_show, {self._parts.map: drawn}, session)

    def map_if_open(self, session: Session) -> Iterator[Updates]:
        """Another gallery is on show, or its photos went deeper."""
        if session.tab == GALLERY:
            yield from self.map(session)


def _if_on_show(gallery: int | None, drawn: Updates, session: Session) -> Iterator[Updates]:
    """What was drawn of a gallery, unless another one has come on show meanwhile, and may be drawn already."""
    with session.sending.after_the_last():
        if session.gallery == gallery:
            yield drawn
