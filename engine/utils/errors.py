"""Errors whose text tells a person what to do, and what other errors say."""


class EngineError(Exception):
    """An error that a person can act on; its text is one sentence: what is wrong with what, and what to do."""

    command = ""  # of `python -m engine`, which does that; the page, which has a button, does not name it


class HostProblem(EngineError):
    """An error that only the machine's administrator can mend; its text may name folders, servers and settings."""


class ModelUnreadable(HostProblem):
    """A model that is not there, is damaged, or cannot be cut into stages."""


def on_disk(error: OSError) -> str:
    """What is wrong with files, and with which one where the system says so."""
    reason = error.strerror or type(error).__name__
    return f"{reason}: {error.filename}" if error.filename else reason


def first_line(error: BaseException) -> str:
    """What an error of another library says first, or the name of its kind where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
