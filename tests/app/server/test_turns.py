"""Who asks once does not wait until another one's thousand calls are answered."""

from types import SimpleNamespace
from typing import Any

import pytest
from gradio.blocks import Blocks
from gradio.queueing import EventQueue, Queue

from app.server.turns import serve_in_turn

ANN, BOB = "198.51.100.1", "198.51.100.2"


@pytest.fixture
def queue() -> Queue:
    queue = Queue(True, 40, 1.0, None, Blocks())
    queue.active_jobs = [None] * 40
    queue.event_queue_per_concurrency_id = {name: EventQueue(name, 2) for name in ("search", "sort")}
    return queue


def asks(queue: Queue, name: str, address: str, number: int) -> None:
    event: Any = SimpleNamespace(
        _id=f"{address} {name} {number}",
        request=SimpleNamespace(scope={"client": (address, 1), "headers": []}),
        concurrency_id=name,
        fn=SimpleNamespace(batch=False),
    )
    queue.event_ids_to_events[event._id] = event
    queue.event_queue_per_concurrency_id[name].queue.append(event)


def served(queue: Queue) -> str:
    """Whose event is begun next."""
    found = queue.get_events()
    assert found is not None
    (event,), _, name = found
    queue.active_jobs[queue.active_jobs.index(None)] = [event]
    queue.event_queue_per_concurrency_id[name].current_concurrency += 1
    return str(event._id)


def test_who_is_served_least_is_next(queue: Queue) -> None:
    serve_in_turn(queue)
    for number in range(1000):
        asks(queue, "search", ANN, number)
    asks(queue, "search", BOB, 0)
    asks(queue, "search", BOB, 1)
    assert [served(queue), served(queue)] == [f"{ANN} search 0", f"{BOB} search 0"]
    assert queue.get_events() is None


def test_what_is_served_elsewhere_does_not_count(queue: Queue) -> None:
    serve_in_turn(queue)
    asks(queue, "sort", BOB, 0)
    assert served(queue) == f"{BOB} sort 0"
    asks(queue, "search", BOB, 0)
    asks(queue, "search", ANN, 0)
    assert [served(queue), served(queue)] == [f"{BOB} search 0", f"{ANN} search 0"]
