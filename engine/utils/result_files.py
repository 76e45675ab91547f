"""Files of results: whether they can be written is known before the work that they keep, and said in a sentence."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from engine.utils.atomic_files import SHARED, write_whole
from engine.utils.errors import HostProblem


def require_writable(file: Path) -> None:
    """Make the folder of a file, and raise HostProblem where the file cannot be written there."""
    with _explained(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with TemporaryFile(dir=file.parent):
            pass


def write_result(file: Path, data: bytes) -> None:
    """Write a file of results whole or not at all, for everybody to read; raises HostProblem where it cannot be."""
    with _explained(file):
        write_whole(file, data, SHARED)


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HostProblem(f"{file} cannot be written ({error.strerror}); name another place.") from error
