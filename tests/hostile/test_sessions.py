"""Sessions that are made for nothing."""

from contextlib import suppress

import httpx
import pytest

from app.server.sessions import SHARE
from tests.hostile.served_page import Served, call, until

pytestmark = pytest.mark.hostile


def test_who_makes_many_sessions_loses_their_own(page: Served) -> None:
    load, galleries = page.listener("", "load", 3), page.event("galleries")
    submit, more = page.listener("query", "submit", 3), page.listener("grid", "more", 1)
    with page.client("198.51.100.20") as visitor, page.client("198.51.100.21") as stranger:
        for client, session in ((visitor, "visitor"), (stranger, "first")):
            call(client, load, [None, False, None], session)
            call(client, submit, ["red", False, None], session)
            assert "data-photo" in call(client, more, [None], session)
        for number in range(SHARE + 6):
            call(stranger, galleries, [""], f"for-nothing-{number}")
        assert "data-photo" in call(visitor, more, [None], "visitor")
        assert "data-photo" not in call(stranger, more, [None], "first")


def test_a_session_that_nobody_knows_is_told_so_and_is_no_error_of_ours(page: Served) -> None:
    lines, heard = len(page.said), ""
    with (
        suppress(httpx.RemoteProtocolError),
        page.client() as visitor,
        visitor.stream("GET", "/gradio_api/queue/data?session_hash=of-an-earlier-start") as events,
    ):
        for text in events.iter_text():
            heard += text
    assert "404" in heard
    until(lambda: len(page.said) > lines)
    assert page.tracebacks(lines) == []


def test_a_call_that_nobody_knows_is_told_so(page: Served) -> None:
    lines = len(page.said)
    with page.client() as visitor:
        answer = visitor.get("/gradio_api/call/search/of-an-earlier-start")
    assert (answer.status_code, answer.text) == (404, "This call is over or unknown: make it again.")
    assert page.tracebacks(lines) == []
