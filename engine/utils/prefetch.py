"""Work done one item ahead of its consumer."""

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def prefetched(make: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result, None, None]:
    """What `make` returns for each item, in order; one thread makes the next while the caller works on the last.

    At most two results exist at a time. What `make` raises is raised in place of its result. A caller that stops
    early waits for the result in the making.
    """
    with ThreadPoolExecutor(1, "prefetch") as thread:
        pending: Future[Result] | None = None
        for item in items:
            following = thread.submit(make, item)
            if pending is not None:
                yield pending.result()
            pending = following
        if pending is not None:
            yield pending.result()
