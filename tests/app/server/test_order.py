"""Events are numbered as they come, and a handler knows the number of its own."""

import gradio as gr
from gradio.context import LocalContext
from starlette.requests import Request
from starlette.types import Scope

from app.server.order import arrival, numbered


def test_a_handler_knows_which_event_came_later() -> None:
    numbers = []
    for _ in range(2):
        scope: Scope = {"type": "http", "headers": []}
        numbered(scope)
        LocalContext.request.set(gr.Request(Request(scope)))
        numbers.append(arrival())
    LocalContext.request.set(None)
    assert 0 < numbers[0] < numbers[1]
    assert arrival() == 0, "no request at all"
