import threading
from collections.abc import Callable

import pytest

from app.work import Stopped, Works


def test_events_come_in_order_and_the_result_last() -> None:
    def work(tell: Callable[[int], None]) -> int:
        tell(1)
        tell(2)
        return 3

    _, events = Works[int]().begin(work)
    assert list(events) == [1, 2, 3]


def test_what_the_work_raises_is_raised_where_it_is_waited_for() -> None:
    def work(tell: Callable[[int], None]) -> int:
        tell(1)
        raise ValueError("no")

    _, events = Works[int]().begin(work)
    assert next(events) == 1
    with pytest.raises(ValueError, match="no"):
        next(events)


def test_work_stops_after_the_event_at_which_somebody_asked() -> None:
    works, go = Works[int](), threading.Event()

    def work(tell: Callable[[int], None]) -> int:
        tell(1)
        go.wait(10)
        tell(2)
        tell(3)
        return 4

    name, events = works.begin(work)
    assert next(events) == 1
    works.stop("a guess")
    works.stop(None)
    works.stop(name)
    go.set()
    assert next(events) == 2
    with pytest.raises(Stopped):
        next(events)
    works.stop(name)  # over already
