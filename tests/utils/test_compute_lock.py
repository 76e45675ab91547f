import threading
import time
from collections.abc import Callable

import pytest

from engine.utils.compute_lock import ANSWER, ENCODE, LOOK_AGAIN, RACE, PriorityLock


@pytest.fixture
def lock() -> PriorityLock:
    return PriorityLock()


def waiting(lock: PriorityLock, many: int) -> None:
    while len(lock._waiting) < many:
        time.sleep(0.001)


def started(run: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def beside(lock: PriorityLock, patience: float, note: Callable[[], None]) -> threading.Thread:
    """A thread that wants a turn, and is known to wait for it."""
    many = len(lock._waiting)

    def run() -> None:
        with lock.held(patience):
            note()

    thread = started(run)
    waiting(lock, many + 1)
    return thread


def test_one_computes_at_a_time(lock: PriorityLock) -> None:
    inside = most = 0

    def run() -> None:
        nonlocal inside, most
        for _ in range(20):
            with lock.held(ANSWER):
                inside += 1
                most = max(most, inside)
                time.sleep(0.0005)
                inside -= 1

    threads = [started(run) for _ in range(4)]
    for thread in threads:
        thread.join(20)
    assert (most, inside) == (1, 0)


def test_an_answer_goes_before_those_who_came_earlier_with_more_patience(lock: PriorityLock) -> None:
    done: list[str] = []
    with lock.held(ENCODE):
        threads = [
            beside(lock, ENCODE, lambda: done.append("photos")),
            beside(lock, LOOK_AGAIN, lambda: done.append("second look")),
            beside(lock, ANSWER, lambda: done.append("answer")),
            beside(lock, ANSWER, lambda: done.append("next answer")),
        ]
    for thread in threads:
        thread.join(5)
    assert done == ["answer", "next answer", "second look", "photos"]


def test_a_batch_lets_an_answer_pass_between_two_stages(lock: PriorityLock) -> None:
    done: list[str] = []
    with lock.held(ENCODE):
        lock.give_way()  # nobody waits
        answer = beside(lock, ANSWER, lambda: done.append("answer"))
        done.append("stage")
        lock.give_way()
        done.append("next stage")
    answer.join(5)
    assert done == ["stage", "answer", "next stage"]


def test_a_batch_does_not_let_another_batch_pass(lock: PriorityLock) -> None:
    done: list[str] = []
    with lock.held(ENCODE):
        other = beside(lock, ENCODE, lambda: done.append("other"))
        lock.give_way()
        done.append("own")
    other.join(5)
    assert done == ["own", "other"]


def test_answers_without_end_do_not_stop_a_batch(lock: PriorityLock) -> None:
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            with lock.held(ANSWER):
                time.sleep(0.002)

    askers = [started(ask) for _ in range(3)]
    began = time.monotonic()
    with lock.held(LOOK_AGAIN):
        for _ in range(3):
            lock.give_way()
    seconds = time.monotonic() - began
    over.set()
    for thread in askers:
        thread.join(5)
    assert seconds < 10 * LOOK_AGAIN


def test_a_part_of_work_that_holds_the_lock_does_not_wait(lock: PriorityLock) -> None:
    with lock.held(ENCODE), lock.held(ANSWER):
        pass
    with lock.held(ANSWER):
        pass


def test_work_that_fails_releases_the_lock(lock: PriorityLock) -> None:
    with pytest.raises(ValueError, match="no"), lock.held(ENCODE):
        raise ValueError("no")
    with lock.held(ANSWER):
        pass


def test_a_process_that_is_forked_off_in_the_middle_can_compute(lock: PriorityLock) -> None:
    with lock.held(ENCODE):
        lock.forget()  # as in the child, which has only the thread that forked
        with lock.held(ENCODE):
            pass


def test_a_race_gives_way_to_everybody_and_its_clock_stands_still(lock: PriorityLock) -> None:
    done: list[str] = []

    def encode() -> None:
        time.sleep(0.05)
        done.append("encode")

    with lock.held(RACE):
        thread = beside(lock, ENCODE, encode)
        lock.give_way()
        done.append("race")
        assert lock.away() >= 0.05
    thread.join(20)
    assert done == ["encode", "race"]
    with lock.held(RACE):
        assert lock.away() == 0
