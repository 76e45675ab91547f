"""A file on its way in: a name, and bytes that are read late."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from engine.ingest.image import MAX_BYTES

# What may be a picture by its name: what we read, and what people would miss if it were passed over in silence.
# fmt: off
PICTURE_SUFFIXES = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif",
    ".heic", ".heif", ".jxl", ".jp2",
))
# fmt: on


@dataclass(frozen=True)
class Upload:
    """A file to take in; its bytes are read late, one file at a time.

    `read` raises ImageRejected, or OSError, for a file that cannot be had; the others go on.
    """

    name: str
    read: Callable[[], bytes]


def file_upload(path: Path, name: str) -> Upload:
    """A file on disk, to be taken in under a name."""
    return Upload(name, partial(_read, path))


def _read(path: Path) -> bytes:
    # One byte over the limit is enough to be rejected for it.
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)
