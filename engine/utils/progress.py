"""Progress of a long run, for a person at a terminal or a reader of a log."""

import sys
import time
from types import TracebackType

import typer


class ProgressLine:
    """How far a run is and how fast, on stderr: one line rewritten on a terminal, else a line every few seconds."""

    EVERY = 5.0  # seconds between lines where they cannot be rewritten, so that logs stay short

    def __init__(self, noun: str) -> None:
        self.noun = noun
        self.live = sys.stderr.isatty()
        self.first: tuple[float, int] | None = None  # the rate counts from here: loading the model is not encoding
        self.written = 0.0

    def __enter__(self) -> "ProgressLine":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.live and self.first is not None:
            typer.echo(err=True)  # what follows starts on a line of its own

    def show(self, done: int, total: int) -> None:
        """Say how far it is; cheap enough to be called after every batch."""
        now = time.monotonic()
        if self.first is None:
            self.first = (now, done)
        elif not self.live and now - self.written < self.EVERY and done < total:
            return
        self.written = now
        text = f"{done} of {total} {self.noun}{self._rate(now, done)}"
        typer.echo(f"\r\033[K{text}" if self.live else text, err=True, nl=not self.live)

    def _rate(self, now: float, done: int) -> str:
        """What was done since the first report, by the second; nothing to say at the first one."""
        started, before = self.first or (now, done)
        return f", {(done - before) / (now - started):.1f} a second" if done > before and now > started else ""
