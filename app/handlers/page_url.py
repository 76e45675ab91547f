"""The address of the page: Back and Forward ask for another gallery and query."""

from collections.abc import Iterator

import gradio as gr

from app.handlers.events import sent_along
from app.handlers.galleries import Galleries
from app.handlers.search import Search
from app.parts import Parts, Updates
from app.services import Services
from app.session import Session
from app.views import placeholders
from engine.gallery import EngineError, GalleryMissing

DIGITS = 12  # of the number of a step


class PageUrl:
    """What the address names; the names in it authorise nobody."""

    def __init__(self, services: Services, parts: Parts, galleries: Galleries, search: Search) -> None:
        self._services, self._parts, self._galleries, self._search = services, parts, galleries, search

    def gone_to(self, event: gr.EventData, refine: bool, session: Session) -> Iterator[Updates]:
        """An earlier place is asked for again: a gallery, a query, and how photos stood."""
        parts, asked, missed = self._parts, sent_along(event, "q"), ""
        session.step = sent_along(event, "step")[:DIGITS]
        try:
            try:
                session.gallery = self._services.access.at_address(sent_along(event, "gallery"), session)
            except GalleryMissing:
                session.gallery, missed = self._services.demo.id, placeholders.missed(placeholders.GONE_SINCE)
                asked = asked or self._services.demo.first_query
            aside = self._search.ask(asked, session, anew=True)
            order = sent_along(event, "order") or ("" if session.query else "arrival")
            session.arrange(order, sent_along(event, "year"))
            first: Updates = {
                parts.notice: missed,
                **self._galleries.choice(session),
                **self._galleries.offered(session),
                parts.query: session.words,
                **self._galleries.remembered(session),
            }
        except EngineError as error:
            session.go_on()
            return iter([self._search.only(self._services.problem(error))])
        return self._search.answers_with_words(refine, session, aside, first)
