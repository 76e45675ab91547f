"""Whose event is next: that of the address that is served least, and of its events the one that came first.

Gradio goes by the order in which they came alone: a thousand calls of one program would go before one of another.
"""

from collections import Counter

from gradio.queueing import Event, Queue

from app.server.transfers import address_of


def serve_in_turn(queue: Queue) -> None:
    """Have a queue go by that."""
    first_come, addresses = queue.get_events, dict[str, str]()

    def address(event: Event) -> str:
        if event._id not in addresses:
            addresses[event._id] = address_of(event.request.scope)
        return addresses[event._id]

    def get_events() -> tuple[list[Event], bool, str] | None:
        for waiting in queue.event_queue_per_concurrency_id.values():
            if len(waiting.queue) > 1 and waiting.current_concurrency < (waiting.concurrency_limit or 1):
                running = [event for job in queue.active_jobs if job for event in job]
                served = Counter(address(event) for event in running if event.concurrency_id == waiting.concurrency_id)
                following = min(waiting.queue, key=lambda event: served[address(event)])
                waiting.queue.remove(following)
                waiting.queue.insert(0, following)
        if len(addresses) > 2 * len(queue.event_ids_to_events) + 100:
            for over in addresses.keys() - queue.event_ids_to_events.keys():
                del addresses[over]
        return first_come()

    queue.get_events = get_events  # type: ignore[method-assign]
