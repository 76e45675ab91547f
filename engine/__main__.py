"""The command line: `python -m engine --help`."""

import signal
from types import FrameType


def stop(number: int, frame: FrameType | None) -> None:
    """Stop the command where it can be stopped, and at once when it is asked again."""
    signal.signal(number, signal.SIG_DFL)
    signal.default_int_handler(number, frame)


if __name__ == "__main__":
    heeded = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # a job in the background may be deaf to it
    if heeded:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # before there is a command there is nothing to tell of

    from engine.cli import cli

    if heeded:
        signal.signal(signal.SIGINT, stop)
    cli(prog_name="python -m engine")
