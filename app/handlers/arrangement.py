"""Photos in the order of their dates, and those of one year."""

from collections.abc import Iterator

import gradio as gr

from app.arrangement import arrange
from app.handlers.events import sent_along
from app.handlers.search import Search
from app.parts import Updates
from app.session import Session


class Arrangement:
    """The boxes over the photos."""

    def __init__(self, search: Search) -> None:
        self._search = search

    def arranged(self, event: gr.EventData, refine: bool, session: Session) -> Iterator[Updates]:
        """Another order or year was chosen."""
        arrange(session, sent_along(event, "order"), sent_along(event, "year"))
        session.unfolded = 0
        session.go_on()
        return self._search.answers(refine, session)
