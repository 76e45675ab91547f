"""Times ways of doing the same that take turns, so that another program's burst falls on all of them."""

import time
from collections.abc import Callable, Sequence


def seconds_in_turns(ways: Sequence[Callable[[], object]], rounds: int) -> list[list[float]]:
    """What each way takes in each round, in seconds; each round begins with another way.

    A round before them warms up and does not count.
    """
    seconds: list[list[float]] = [[] for _ in ways]
    for turn in range(rounds + 1):
        for way in ((turn + place) % len(ways) for place in range(len(ways))):
            began = time.perf_counter()
            ways[way]()
            if turn:
                seconds[way].append(time.perf_counter() - began)
    return seconds
