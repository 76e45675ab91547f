"""The next result is made while the last one is worked on, and no further one."""

import threading
from collections.abc import Iterator

import pytest

from engine.utils.prefetch import prefetched


def test_results_come_in_order() -> None:
    assert list(prefetched(lambda n: n * n, range(5))) == [0, 1, 4, 9, 16]
    assert list(prefetched(lambda n: n, [])) == []


def test_the_next_one_is_made_meanwhile_and_no_further_one() -> None:
    made = [threading.Event() for _ in range(4)]
    results = prefetched(lambda n: made[n].set(), range(4))
    next(results)
    assert made[1].wait(10)
    results.close()
    assert [event.is_set() for event in made] == [True, True, False, False]


def test_a_failure_comes_in_its_place() -> None:
    def make(n: int) -> int:
        if n == 1:
            raise SystemExit("died")
        return n

    results: Iterator[int] = prefetched(make, range(3))
    assert next(results) == 0
    with pytest.raises(SystemExit, match="died"):
        next(results)
