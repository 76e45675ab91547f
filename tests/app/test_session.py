"""The order in which answers leave for a visitor's page."""

from collections.abc import Callable, Iterator
from threading import Thread

import pytest

import app.session as session_module
from app.handlers.albums import Albums
from app.handlers.overview import Overview
from app.handlers.photo import Selection
from app.handlers.search import Search
from app.parts import Updates
from app.services import Services
from app.session import Session
from tests.app.sending import Event
from tests.app.shown_examples import PARTS, after


@pytest.mark.parametrize("asked", ["words", "a photo", "albums", "a gallery", "a map"])
def test_what_is_asked_later_waits_until_what_was_asked_before_has_left_for_the_page(
    services: Services,
    search: Search,
    selection: Selection,
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
    asked: str,
) -> None:
    monkeypatch.setattr(session_module, "ON_ITS_WAY", 60)
    asks: dict[str, Callable[[str], Iterator[Updates]]] = {
        "words": lambda once: search.searched(f"a red thing, {once}", False, session),
        "a photo": lambda once: selection.selected(Event(photo="1"), session),
        "albums": lambda once: Albums(services, PARTS).shown(session),
        "a gallery": lambda once: Overview(services, PARTS, search).shown(0.75, "", session),
        "a map": lambda once: Overview(services, PARTS, search).map(session),
    }
    ask, left = asks[asked], list[object]()
    before = ask("before")
    next(before)  # it is still wanted, and on its way
    later = Thread(target=lambda: left.append(list(ask("later"))))
    later.start()
    later.join(0.5)
    left.append("what was asked before")
    assert list(before) == []  # Gradio has sent it, and asks for what follows
    later.join()
    assert left[0] == "what was asked before"
    assert left[1] != []


def test_what_no_page_takes_any_more_holds_up_no_other(search: Search, session: Session) -> None:
    left = search.searched("red", False, session)
    next(left)
    assert 'data-query="blue"' in after(search.searched("blue", False, session)).answer
