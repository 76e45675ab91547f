"""Whose event is next: that of the address that is served least, and of its events the one that came first.

Gradio goes by the order in which they came alone: a thousand calls of one program would go before one of another. And
it lets any number wait, each with all that came with it; here no address has more than 100.
"""

from collections import Counter
from typing import Any

from fastapi import Request
from gradio.queueing import Event, Queue

from app.server.transfers import address_of

WAITING = 100  # events of one address; an office that shares one has room


def serve_in_turn(queue: Queue) -> None:
    """Have a queue go by that."""
    first_come, push = queue.get_events, queue.push

    def get_events() -> tuple[list[Event], bool, str] | None:
        for waiting in queue.event_queue_per_concurrency_id.values():
            if len(waiting.queue) > 1 and waiting.current_concurrency < (waiting.concurrency_limit or 1):
                running = [event for job in queue.active_jobs if job for event in job]
                served = Counter(_address(event) for event in running if event.concurrency_id == waiting.concurrency_id)
                following = min(waiting.queue, key=lambda event: served[_address(event)])
                waiting.queue.remove(following)
                waiting.queue.insert(0, following)
        return first_come()

    async def push_some(body: Any, request: Request, username: str | None) -> Any:
        address = address_of(request.scope)
        queues = queue.event_queue_per_concurrency_id.values()
        if sum(_address(event) == address for waiting in queues for event in waiting.queue) >= WAITING:
            return False, "Too much of your address waits to be answered; try again in a minute.", "queue_full"
        return await push(body, request, username)

    queue.get_events = get_events  # type: ignore[method-assign]
    queue.push = push_some  # type: ignore[method-assign]


def _address(event: Event) -> str:
    return address_of(event.request.scope)
