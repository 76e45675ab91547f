"""Who is turned away hears why, and the connection is not held longer than that takes."""

import time

from starlette.types import Message, Receive, Scope, Send

from app.server.bodies import STRANGERS, Bodies
from app.server.refusals import SILENT, Refusal
from app.server.transfers import HOUR, Transfers
from tests.app.server.exchange import answer

JOIN = "/gradio_api/queue/join"


async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
    await Refusal(413, "Too long.")(scope, receive, send)


def is_whole(sent: list[Message], sentence: bytes) -> bool:
    """Whether an answer says a sentence, and ends."""
    said = b"".join(message.get("body", b"") for message in sent)
    return said == sentence and [message.get("more_body", False) for message in sent] == [True, True, False]


def test_an_answer_ends_once_nothing_more_comes_of_the_request() -> None:
    assert is_whole(answer(refusing, JOIN, [b"a", b"b"], more=True), b"Too long.")


def test_an_answer_ends_though_its_address_passes_a_limit_meanwhile() -> None:
    assert is_whole(answer(Transfers(refusing, limits=((HOUR, 5),)), JOIN, [b"four"] * 3, more=False), b"Too long.")


def test_where_all_of_a_request_is_here_nothing_is_waited_for() -> None:
    began = time.monotonic()
    sent = answer(Bodies(refusing, STRANGERS, dict, dict), JOIN, [b"{"], more=False)
    assert is_whole(sent, b"This is not JSON.")
    assert time.monotonic() - began < SILENT / 2
