"""Progress of a long run on stderr: a bar at a terminal, a line every few seconds in a log."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from tqdm import tqdm

LOG_SECONDS = 5.0  # between lines where a bar cannot be redrawn, so that logs stay short


@contextmanager
def progress_bar(noun: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far a run is, and how fast.

    Args: noun: what is counted, in the plural.
    Yields: a function that is told how many are done, of how many; cheap enough to be called after every batch. The
        bar begins with its first call, so that what comes before (loading the model) does not count for the rate.
    """
    bar: tqdm[NoReturn] | None = None

    def show(done: int, total: int) -> None:
        nonlocal bar
        if sys.stderr is None:  # closed by `2>&-`, say
            return
        if bar is None:
            interval = 0.1 if sys.stderr.isatty() else LOG_SECONDS
            bar = tqdm(initial=done, total=total, unit=f" {noun}", mininterval=interval, maxinterval=interval)
        bar.update(done - bar.n)

    try:
        yield show
    finally:
        if bar is not None:
            bar.close()
