"""Sessions that Gradio makes are let go of."""

import secrets
from itertools import count
from types import SimpleNamespace
from typing import cast

import pytest
from gradio.blocks import Blocks
from gradio.components import Textbox
from gradio.queueing import AsyncQueue, Event
from gradio.state_holder import SessionState
from starlette.responses import Response
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from app.server import sessions as module
from app.server.bodies import STRANGERS, Bodies
from app.server.routes import JOIN
from app.server.sessions import SWEEP, CountedSessions, Sessions, named_sessions
from tests.app.server.exchange import answer


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Much time passes between two looks at the clock."""
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=count(0.0, SWEEP).__next__))


def test_calls_of_programs_that_name_no_session_leave_few_behind() -> None:
    page = Blocks()
    sessions = page.state_holder.session_data

    async def gradio(scope: Scope, receive: Receive, send: Send) -> None:
        sessions[secrets.token_hex()] = SessionState(page)
        await Response()(scope, receive, send)

    program = TestClient(CountedSessions(gradio, Sessions(page, 4)))
    for _ in range(40):
        program.post("/gradio_api/call/search")
    assert len(sessions) <= 5


def test_of_a_session_that_is_let_go_answers_stay_that_may_be_read_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "AGE", 9 * SWEEP)
    page = Blocks()
    queue = page._queue
    sessions = Sessions(page, 1)
    queue.event_ids_to_events["running"] = cast("Event", None)
    for session, events in [("a", set[str]()), ("b", {"running"}), ("c", {"over"}), ("d", set[str]())]:
        queue.pending_event_ids_session[session] = events
        queue.pending_messages_per_session[session] = AsyncQueue()
        sessions.use(session, "198.51.100.1")
    assert list(queue.pending_event_ids_session) == ["b", "c", "d"]
    for _ in range(10):
        sessions.sweep()
    assert list(queue.pending_event_ids_session) == ["b"]
    assert list(queue.pending_messages_per_session.keys()) == ["b"]


def test_a_page_that_says_it_is_open_is_kept_and_one_that_says_nothing_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGE", 9 * SWEEP)
    page = Blocks()
    sessions = Sessions(page, 4)
    browser = TestClient(CountedSessions(Response(), sessions))
    for session in ("open", "closed"):
        page.state_holder[session]
        browser.post(f"/gradio_api/cancel?session_hash={session}")
    for _ in range(10):
        assert browser.head("/gradio_api/heartbeat/open").status_code == 204
        sessions.sweep()
    assert list(page.state_holder.session_data) == ["open"]


def test_of_more_open_pages_than_an_address_may_have_those_that_are_too_many_are_dropped_and_no_other() -> None:
    page = Blocks()
    browser = TestClient(CountedSessions(Response(), Sessions(page, 2)))
    for session in ("one", "two", "three"):
        browser.post(f"/gradio_api/cancel?session_hash={session}")
        page.state_holder[session]
    for session in ("one", "two", "three"):
        browser.head(f"/gradio_api/heartbeat/{session}")
    assert list(page.state_holder.session_data) == ["two", "three"]


def test_a_call_counts_for_the_session_that_its_body_names(monkeypatch: pytest.MonkeyPatch) -> None:
    named = list[tuple[str, str]]()
    monkeypatch.setattr(Sessions, "use", lambda _, session, address: named.append((session, address)))
    app = Bodies(CountedSessions(Response(), Sessions(Blocks(), 4)), STRANGERS, lambda: {3: 1}, dict)
    answer(app, JOIN, [b'{"fn_index": 3, "data": [], "session_hash": "abc"}'], query_string=b"")
    assert named == [("abc", "10.0.0.1")]


def test_of_a_page_that_stays_open_little_is_kept() -> None:
    with Blocks() as page:
        Textbox("much that is said there")
    state = page.state_holder["visitor"]
    assert "much" in str(state.config_values)
    sessions = Sessions(page, 4)
    sessions.use("visitor", "198.51.100.1")
    sessions.sweep()
    assert page.state_holder.session_data["visitor"] is state
    assert "much" not in str(state.config_values)


def test_of_several_names_the_one_counts_that_gradio_takes_and_none_that_is_too_long() -> None:
    def named(query: str) -> list[str]:
        return named_sessions({"type": "http", "query_string": query.encode()})

    assert named("session_hash=first&session_hash=last") == ["last"]
    assert named(f"session_hash={'x' * 65}") == []
    assert named("") == []
