"""An uploaded file: a name, and bytes that are read when they are needed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from engine.ingest.image import MAX_BYTES, ImageRejected

# Suffixes of pictures: those that can be read, and those that a report should name because they cannot.
# fmt: off
PICTURE_SUFFIXES = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif",
    ".heic", ".heif", ".hif", ".jxl", ".jp2",
))
# fmt: on


def _tell_nobody(*_: object) -> None:
    """Stands in where nobody wants to know; a function with a name, so that an upload can go to another process."""


@dataclass(frozen=True)
class Upload:
    """A file to ingest.

    `read` returns its bytes, and raises ImageRejected or OSError where they cannot be had; the other files go on.
    """

    name: str
    read: Callable[[], bytes]
    admit: Callable[[str, str, int], object] = _tell_nobody  # told name, hash and bytes; raises ImageRejected: no room
    refused: Callable[[float], object] = _tell_nobody  # told how many seconds it took to find that it is none
    source: str | None = None  # where it stays on this machine, for one that is read where it lies


def reject(name: str, reason: str) -> NoReturn:
    """What `read` does for a file that cannot be used: raises ImageRejected."""
    raise ImageRejected(name, reason)


def read_file(path: Path) -> bytes:
    """A file on disk, as an upload reads it: one byte over the limit is enough to be rejected for it."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)
