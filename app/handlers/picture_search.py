"""Searching with a picture: one of one's own, or one that was found."""

from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import numpy as np

from app.handlers.events import sent_along
from app.handlers.search import Search
from app.parts import Parts, Updates
from app.services import Services
from app.session import Session
from app.uploading.sent_files import forget, sent
from app.views import header, placeholders
from app.views.formatting import inline
from engine.gallery import DROPPED, EngineError, TooMuch, embed_picture, read_file


class PictureSearch:
    """Pictures in, photos like them out."""

    def __init__(self, services: Services, parts: Parts, search: Search) -> None:
        self._services, self._parts, self._search = services, parts, search

    def picture_given(self, file: str, refine: bool, session: Session) -> Iterator[Updates]:
        """A picture was given to search with."""
        return self._found(file, refine, session, session.go_on())

    def _found(self, file: str, refine: bool, session: Session, asking: object) -> Iterator[Updates]:
        """What is like a picture that was given, unless the visitor has asked for something else since then."""
        parts = self._parts
        try:
            dropped, thumbnail, aside = self._embedded(sent(file), session)
        except (EngineError, OSError) as error:
            refused: Updates = {parts.picture: None, parts.notice: placeholders.missed(self._services.sentence(error))}
            if session.asking is not asking:
                yield {parts.picture: None}
            elif isinstance(error, TooMuch):  # which to ask again would be, too
                yield refused
            else:  # what was asked before stays, also where its answer was still on its way
                yield from self._search.answers(refine, session, first=refused)
            return
        if session.asking is not asking:  # words were asked meanwhile, or another picture was given
            yield {parts.picture: None}
            return
        session.dropped, session.dropped_thumbnail = dropped, thumbnail
        session.ask("", f"photo:{DROPPED}", thumbnail)
        first: Updates = {parts.picture: None, parts.notice: "", parts.query: session.words}
        yield from self._search.answers(refine, session, aside, first)

    def more_like_this(self, event: gr.EventData, refine: bool, session: Session) -> Iterator[Updates]:
        """Photos like one are asked for: like the one in the viewer, or else like the selected one."""
        number = sent_along(event, "photo") or str(session.photo or "")
        try:
            like = self._services.access.photo(number, session)
        except EngineError:
            return iter([{self._parts.notice: placeholders.missed(placeholders.GONE)}])
        session.ask("", f"photo:{like.id}", self._services.address(like, "grid"))
        return self._search.answers(refine, session, first={self._parts.query: session.words})

    def unliked(self, refine: bool, session: Session) -> Iterator[Updates]:
        """The picture was taken out of the search: the words go on alone."""
        session.ask(session.words)
        return self._search.answers(refine, session)

    def _embedded(self, path: Path, session: Session) -> tuple[np.ndarray, str, str]:
        """What a picture shows, the address of a small copy of it, and for which gallery it counts, in words."""
        access = self._services.access
        try:
            summary = access.gallery(session.gallery, session)
            counted_for = summary.id if access.may_spend(summary, session) else None
            with access.turn(session):
                data = read_file(path)  # no more of it than may be a picture
                found, thumbnail = embed_picture(self._services.library, counted_for, data, path.name)
                aside = header.UNCOUNTED if counted_for is None else header.PICTURED
                return found, inline("image/jpeg", thumbnail), aside
        finally:
            forget([path])  # it is asked with, and not kept
