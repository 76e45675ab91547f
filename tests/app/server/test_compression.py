"""Event streams come compressed to who takes that, each event when it happens."""

import zlib

import pytest
from starlette.types import Receive, Scope, Send

from app.server.compression import Compressed
from tests.app.server.exchange import answer

EVENTS = [f'data: {{"msg":"process_generating","output":"{"<li>" * 200}{number}"}}\n\n'.encode() for number in range(3)]


async def events(scope: Scope, receive: Receive, send: Send) -> None:
    """Three events, and the end."""
    kind = scope["path"].encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
    for event in EVENTS:
        await send({"type": "http.response.body", "body": event, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def sent(kind: str, accepted: str) -> tuple[dict[bytes, bytes], list[bytes]]:
    """Headers and bodies of an answer of this kind."""
    first, *rest = answer(Compressed(events), kind, headers=[(b"accept-encoding", accepted.encode())])
    return dict(first["headers"]), [message["body"] for message in rest]


def test_each_event_can_be_read_when_it_comes() -> None:
    headers, bodies = sent("text/event-stream; charset=utf-8", "gzip, br")
    assert headers[b"content-encoding"] == b"gzip"
    reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
    assert [reader.decompress(body) for body in bodies] == [*EVENTS, b""]
    assert reader.eof
    assert sum(map(len, bodies)) < sum(map(len, EVENTS)) / 5


@pytest.mark.parametrize(("kind", "accepted"), [("text/event-stream", "identity"), ("image/jpeg", "gzip")])
def test_others_come_as_they_are(kind: str, accepted: str) -> None:
    headers, bodies = sent(kind, accepted)
    assert b"content-encoding" not in headers
    assert bodies == [*EVENTS, b""]
