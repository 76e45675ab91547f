import threading
import time
from collections.abc import Callable

import pytest

from engine.utils.compute_lock import ANSWER, ENCODE, LOOK_AGAIN, Turns


@pytest.fixture
def turns() -> Turns:
    return Turns()


def waiting(turns: Turns, many: int) -> None:
    while len(turns._waiting) < many:
        time.sleep(0.001)


def started(run: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def beside(turns: Turns, patience: float, note: Callable[[], None]) -> threading.Thread:
    """A thread that wants a turn, and is known to wait for it."""
    many = len(turns._waiting)

    def run() -> None:
        with turns.turn(patience):
            note()

    thread = started(run)
    waiting(turns, many + 1)
    return thread


def test_one_computes_at_a_time(turns: Turns) -> None:
    inside = most = 0

    def run() -> None:
        nonlocal inside, most
        for _ in range(20):
            with turns.turn(ANSWER):
                inside += 1
                most = max(most, inside)
                time.sleep(0.0005)
                inside -= 1

    threads = [started(run) for _ in range(4)]
    for thread in threads:
        thread.join(20)
    assert (most, inside) == (1, 0)


def test_an_answer_goes_before_those_who_came_earlier_with_more_patience(turns: Turns) -> None:
    done: list[str] = []
    with turns.turn(ENCODE):
        threads = [
            beside(turns, ENCODE, lambda: done.append("photos")),
            beside(turns, LOOK_AGAIN, lambda: done.append("second look")),
            beside(turns, ANSWER, lambda: done.append("answer")),
            beside(turns, ANSWER, lambda: done.append("next answer")),
        ]
    for thread in threads:
        thread.join(5)
    assert done == ["answer", "next answer", "second look", "photos"]


def test_a_batch_lets_an_answer_pass_between_two_stages(turns: Turns) -> None:
    done: list[str] = []
    with turns.turn(ENCODE):
        turns.give_way()  # nobody waits
        answer = beside(turns, ANSWER, lambda: done.append("answer"))
        done.append("stage")
        turns.give_way()
        done.append("next stage")
    answer.join(5)
    assert done == ["stage", "answer", "next stage"]


def test_a_batch_does_not_let_another_batch_pass(turns: Turns) -> None:
    done: list[str] = []
    with turns.turn(ENCODE):
        other = beside(turns, ENCODE, lambda: done.append("other"))
        turns.give_way()
        done.append("own")
    other.join(5)
    assert done == ["own", "other"]


def test_answers_without_end_do_not_stop_a_batch(turns: Turns) -> None:
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            with turns.turn(ANSWER):
                time.sleep(0.002)

    askers = [started(ask) for _ in range(3)]
    began = time.monotonic()
    with turns.turn(ENCODE):
        for _ in range(3):
            turns.give_way()
    seconds = time.monotonic() - began
    over.set()
    for thread in askers:
        thread.join(5)
    assert seconds < 10 * ENCODE


def test_a_part_of_what_has_its_turn_does_not_wait(turns: Turns) -> None:
    with turns.turn(ENCODE), turns.turn(ANSWER):
        pass
    with turns.turn(ANSWER):
        pass


def test_what_fails_gives_its_turn_back(turns: Turns) -> None:
    with pytest.raises(ValueError, match="no"), turns.turn(ENCODE):
        raise ValueError("no")
    with turns.turn(ANSWER):
        pass


def test_a_process_that_is_forked_off_in_the_middle_can_compute(turns: Turns) -> None:
    with turns.turn(ENCODE):
        turns.forget()  # as in the child, which has only the thread that forked
        with turns.turn(ENCODE):
            pass
