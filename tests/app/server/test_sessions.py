"""Sessions that Gradio makes are let go of."""

import secrets
from itertools import count
from types import SimpleNamespace

import pytest
from gradio.state_holder import StateHolder
from starlette.responses import Response
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from app.server import sessions
from app.server.sessions import SWEEP, CountedSessions, Sessions


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Much time passes between two looks at the clock."""
    monkeypatch.setattr(sessions, "time", SimpleNamespace(monotonic=count(0.0, SWEEP).__next__))


def test_calls_of_programs_that_name_no_session_leave_few_behind() -> None:
    holder = StateHolder()

    async def gradio(scope: Scope, receive: Receive, send: Send) -> None:
        holder.session_data[secrets.token_hex()] = object()  # type: ignore[assignment]
        await Response()(scope, receive, send)

    program = TestClient(CountedSessions(gradio, Sessions(lambda: holder, 4)))
    for _ in range(40):
        program.post("/gradio_api/call/search")
    assert len(holder.session_data) <= 5
