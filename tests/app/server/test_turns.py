"""Who asks once does not wait until another one's thousand calls are answered."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from gradio.blocks import Blocks
from gradio.queueing import EventQueue, Queue

from app.server.turns import WAITING, serve_in_turn

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


def test_so_many_events_of_an_address_wait_and_no_more(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    async def taken(body: object, request: object, username: object) -> tuple[bool, str, str]:
        return True, "an event", "success"

    monkeypatch.setattr(queue, "push", taken)
    serve_in_turn(queue)
    for number in range(WAITING):
        asks(queue, ("search", "sort")[number % 2], ANN, number)

    def push(address: str) -> tuple[Any, ...]:
        request: Any = SimpleNamespace(scope={"client": (address, 1), "headers": []})
        body: Any = SimpleNamespace()
        return asyncio.run(queue.push(body, request, None))

    refused, sentence, state = push(ANN)
    assert (refused, state) == (False, "queue_full")
    assert "try again in a minute" in sentence
    assert push(BOB)[0]
