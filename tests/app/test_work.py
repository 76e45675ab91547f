import gc
import threading
import time
import weakref
from collections.abc import Callable
from queue import Queue
from unittest.mock import Mock

import pytest

from app.services import Services
from app.session import Session
from app.work import Died, Line, Stopped, Waiting, start_work


def no_wait(waiting: Waiting) -> None:
    pytest.fail("nobody is before this one")


class Told:
    """Something that is told of."""


def test_events_come_in_order_and_the_result_last() -> None:
    def work(tell: Callable[[int], None]) -> int:
        tell(1)
        tell(2)
        return 3

    _, events = start_work(work)
    assert list(events) == [1, 2, 3]


def test_nothing_is_kept_for_somebody_who_has_left() -> None:
    left, told = threading.Event(), list[weakref.ref[Told]]()

    def work(tell: Callable[[Told], None]) -> Told:
        for _ in range(3):
            event = Told()
            told.append(weakref.ref(event))
            tell(event)
            if len(told) == 2:
                left.wait(10)
        del event
        gc.collect()
        alive.extend(kept() for kept in told)
        over.set()
        return Told()

    alive: list[Told | None] = []
    over = threading.Event()
    _, events = start_work(work)
    next(events)
    events.close()
    left.set()
    assert over.wait(10)
    assert alive == [None] * 3


def test_what_the_work_raises_is_raised_where_it_is_waited_for() -> None:
    def work(tell: Callable[[int], None]) -> int:
        tell(1)
        raise ValueError("no")

    _, events = start_work(work)
    assert next(events) == 1
    with pytest.raises(ValueError, match="no"):
        next(events)


@pytest.mark.parametrize("death", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_nobody_waits_for_work_that_has_died(death: type[BaseException]) -> None:
    told = Queue[object]()

    def work(tell: Callable[[int], None]) -> int:
        raise death

    def wait() -> None:
        try:
            told.put(list(events))
        except Exception as error:
            told.put(error)

    running, events = start_work(work)
    threading.Thread(target=wait, daemon=True).start()
    error = told.get(timeout=10)
    assert isinstance(error, Died)
    assert death.__name__ in str(error)
    assert running.over.is_set()


def test_work_that_cannot_begin_does_not_go_on(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session()
    monkeypatch.setattr(threading.Thread, "start", Mock(side_effect=RuntimeError("can't start new thread")))
    with pytest.raises(RuntimeError):
        services.begin("race", session, lambda _: 1)
    assert not services.goes_on("race", session)


def test_work_stops_after_the_event_at_which_somebody_asked() -> None:
    go = threading.Event()

    def work(tell: Callable[[int], None]) -> int:
        tell(1)
        go.wait(10)
        tell(2)
        tell(3)
        return 4

    running, events = start_work(work)
    assert next(events) == 1
    running.stop.set()
    go.set()
    assert next(events) == 2
    with pytest.raises(Stopped):
        next(events)


def test_who_comes_first_is_served_first_and_the_others_know_their_place() -> None:
    line, began = Line(at_once=1), []
    told: dict[str, list[int]] = {"second": [], "third": []}
    gate = threading.Event()

    def wait(name: str) -> None:
        with line.turn(lambda waiting: told[name].append(waiting.place)):
            began.append(name)

    def first() -> None:
        with line.turn(lambda _: None):
            began.append("first")
            gate.wait(20)

    threads = []
    for run in (first, lambda: wait("second"), lambda: wait("third")):
        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        while len(line._waiting) + len(began) < len(threads):
            time.sleep(0.001)
    while not all(told.values()):
        time.sleep(0.01)
    gate.set()
    for thread in threads:
        thread.join(20)
    assert began == ["first", "second", "third"]
    assert (set(told["second"]), told["third"][0]) == ({1}, 2)


def test_two_are_served_at_once() -> None:
    line = Line()
    with line.turn(no_wait), line.turn(no_wait):
        assert len(line._working) == 2


def test_who_gives_up_waiting_leaves_the_line() -> None:
    line = Line(at_once=1)
    with line.turn(no_wait), pytest.raises(Stopped), line.turn(Mock(side_effect=Stopped)):
        pass
    with line.turn(no_wait):
        pass
    assert not line._waiting


def test_what_fails_gives_its_place_to_the_next() -> None:
    line = Line(at_once=1)
    with pytest.raises(ValueError, match="no"), line.turn(no_wait):
        raise ValueError("no")
    with line.turn(no_wait):
        pass


def test_who_has_no_place_goes_before_who_has_one() -> None:
    line, order, gate = Line(at_once=2), list[str](), threading.Semaphore(0)

    def work(who: str) -> None:
        with line.turn(lambda _: None, who):
            order.append(who)
            gate.acquire(timeout=20)

    threads = []
    for who in ("a", "a", "a", "b"):  # b comes last, while a has both places
        threads.append(threading.Thread(target=work, args=(who,), daemon=True))
        threads[-1].start()
        while len(line._waiting) + len(order) < len(threads):
            time.sleep(0.001)
    for _ in threads:  # one place gets free at a time
        begun = len(order)
        gate.release()
        while len(order) == begun < len(threads):
            time.sleep(0.001)
    for thread in threads:
        thread.join(20)
    assert order == ["a", "a", "b", "a"]


def test_work_that_has_had_its_share_lets_others_go_first() -> None:
    line, done = Line(at_once=1, share=0.0), list[str]()
    waits = threading.Event()

    def short() -> None:
        with line.turn(lambda _: waits.set(), "short"):
            done.append("short")

    with line.turn(lambda _: None, "long") as let_pass:
        let_pass()  # nobody waits
        thread = threading.Thread(target=short, daemon=True)
        thread.start()
        assert waits.wait(10)
        let_pass()
        done.append("long")
        thread.join(10)
    assert done == ["short", "long"]
    assert not line._working
