"""The selected photo: chosen, explained, run to full depth."""

import secrets
from collections.abc import Iterator

import gradio as gr

from app.handlers.events import sent_along
from app.handlers.search import Search
from app.parts import Parts, Updates
from app.server.order import arrival
from app.services import Services
from app.session import Session
from app.views import header, photo, placeholders
from engine.gallery import Deepened, EngineError, Photo, embed_query, explain_photo, run_to_full_depth, search_photos


class Selection:
    """One photo at a time."""

    def __init__(self, services: Services, parts: Parts, search: Search) -> None:
        self._services, self._parts, self._search = services, parts, search

    def selected(self, event: gr.EventData, session: Session) -> Iterator[Updates]:
        """A photo was chosen."""
        chosen: Photo | None = None
        number = arrival()
        try:
            with session.turn:
                if number < session.selected:  # its thread has begun late: another one was chosen since
                    return
                session.selected = number
                try:
                    chosen = self._services.access.photo(sent_along(event, "photo"), session)
                finally:  # both at once: a second look that ends meanwhile draws what it finds here
                    session.photo, session.picked = chosen.id if chosen else None, secrets.token_hex(4)
            shown = self._panel(chosen, session)
        except EngineError as error:
            shown = self._problem(error, session)
        with session.sending.after_the_last():
            if session.selected == number:
                yield shown

    def explained(self, session: Session) -> Iterator[Updates]:
        """How the query fits at every exit was asked for."""
        services, asking = self._services, session.asking
        try:
            chosen = self._chosen(session)
            with services.access.turn(session):
                query = embed_query(services.library, chosen.collection_id, session.query, session.dropped)
                fits = explain_photo(services.library, chosen.id, query) if query is not None else None
            if self._has_gone_on(session, asking, chosen):
                return
            now = self._chosen(session)  # it may have run to full depth meanwhile
            if fits is None:
                told = placeholders.said("Search for something first; this shows how the photo fits it.")
            else:
                told = photo.fit(session.title, fits, now.exit)
            yield from self._unless_gone_on(self._panel(now, session, told), session, asking, chosen)
        except EngineError as error:
            yield self._problem(error, session)

    def deepened(self, session: Session) -> Iterator[Updates]:
        """The photo is to be run to full depth: the panel and the ranking show it at once."""
        services, asking = self._services, session.asking
        try:
            before = self._chosen(session)
            rank, hits = session.rank(before.id), session.hits
            with services.access.turn(session):
                after, looks = run_to_full_depth(services.library, before.id)
                looks = {**session.looks, **looks}
                query = embed_query(services.library, after.collection_id, session.query, session.dropped)
                if rank is not None and query is not None:
                    hits = search_photos(
                        services.library, after.collection_id, query, len(hits), year=session.year, looks=looks
                    )
            spent = after.macs - before.macs
            known = session.deepened.get(before.id)
            if not spent and known is not None and known.to_exit == after.exit:  # pressed twice: its cost is told
                return
            with session.turn:
                if self._has_gone_on(session, asking, before):
                    return
                session.hits, session.looks = hits, looks
            now = session.rank(before.id)
            start = known.from_exit if known is not None else before.exit
            session.deepened[before.id] = Deepened(before.id, start, after.exit, rank, now)
            outcome = photo.deepened(rank, now, spent, services.drawing.full_macs, kept=before.id not in looks)
            line = self._search.line(session, header.deepened(spent, services.drawing.full_macs)) if hits else {}
            drawn = {**line, **self._search.grid(session), **self._panel(after, session, outcome)}
            yield from self._unless_gone_on(drawn, session, asking, before)
        except EngineError as error:
            yield self._problem(error, session)

    def _has_gone_on(self, session: Session, asking: object, chosen: Photo) -> bool:
        """Whether the visitor has asked or selected something else meanwhile: that stays on show."""
        return session.asking is not asking or session.photo != chosen.id

    def _unless_gone_on(self, drawn: Updates, session: Session, asking: object, chosen: Photo) -> Iterator[Updates]:
        """What was drawn, unless they have done so while it was."""
        with session.sending.after_the_last():
            if not self._has_gone_on(session, asking, chosen):
                yield drawn

    def _chosen(self, session: Session) -> Photo:
        return self._services.access.photo(session.photo if session.photo is not None else 0, session)

    def _panel(self, chosen: Photo, session: Session, extra: str = "") -> Updates:
        session.picked = session.picked or secrets.token_hex(4)  # who asks of the best photo has selected it
        return {self._parts.panel: self._search.panel(chosen, session, extra)}

    def _problem(self, error: EngineError, session: Session) -> Updates:
        return {self._parts.panel: self._services.problem(error, session)}
