"""Nobody loses the answers that they wait for, and what was read is not kept."""

from asyncio import Queue as Messages

import pytest
from gradio.blocks import Blocks
from gradio.queueing import Event, Queue
from gradio.server_messages import HeartbeatMessage

from app.server import messages
from app.server.messages import forget_read, keep_all


@pytest.fixture
def queue() -> Queue:
    return Queue(True, 1, 1.0, None, Blocks())


def asks(queue: Queue, session: str, *events: str, over: bool = True) -> None:
    """A session has events, as Gradio notes it."""
    queue.pending_messages_per_session[session] = Messages()
    queue.pending_event_ids_session[session] = set(events)
    if not over:
        queue.event_ids_to_events |= dict.fromkeys(events, Event.__new__(Event))


def test_who_waits_is_told_however_many_come_after(queue: Queue) -> None:
    keep_all(queue)
    asks(queue, "an upload", "1", over=False)
    for number in range(3000):
        asks(queue, f"a call {number}", f"call {number}")
    forget_read(queue)
    assert "an upload" in queue.pending_messages_per_session
    assert len(queue.pending_messages_per_session) == len(queue.pending_event_ids_session) == messages.UNREAD + 1


def test_what_was_read_or_has_nobody_to_read_it_is_forgotten(queue: Queue) -> None:
    asks(queue, "read")
    asks(queue, "to be read", "1")
    queue.pending_messages_per_session["left"] = Messages()
    forget_read(queue)
    assert list(queue.pending_messages_per_session) == list(queue.pending_event_ids_session) == ["to be read"]


def test_what_is_told_to_who_asks_on_and_on_and_never_reads_is_not_kept(queue: Queue) -> None:
    asks(queue, "never reads", "1", over=False)
    asks(queue, "reads", "2", over=False)
    for _ in range(messages.LONGEST + 1):
        queue.pending_messages_per_session["never reads"].put_nowait(HeartbeatMessage())
    queue.pending_messages_per_session["reads"].put_nowait(HeartbeatMessage())
    forget_read(queue)
    waiting = {session: told.qsize() for session, told in queue.pending_messages_per_session.items()}
    assert waiting == {"never reads": 0, "reads": 1}
