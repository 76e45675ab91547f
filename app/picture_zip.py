"""Kept pictures in one ZIP, made while it is sent: it lies nowhere as a whole, neither on disk nor in memory."""

import io
import os
import zipfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from engine.gallery import EngineError, clean_name, folded, safe_name

MOST_PHOTOS = 1000
MOST_BYTES = 300 * 2**20
YEARS = range(1980, 2108)  # that a ZIP can write


class TooMany(EngineError):
    """More than one archive holds."""

    def __init__(self) -> None:
        super().__init__(
            f"One ZIP holds {MOST_PHOTOS} photos or {MOST_BYTES >> 20} MB at most; pick fewer and take the rest after."
        )


class Kept(NamedTuple):
    """A photo, and what is kept of it: a JPEG without what a camera wrote into the file."""

    name: str
    taken_at: datetime | None
    path: Path


def zipped(pictures: Iterable[Kept]) -> Iterator[bytes]:
    """A ZIP of pictures, piece by piece; those whose file is gone are named in `missing.txt`. Raises TooMany."""
    files = list(pictures)
    there = (kept.path for kept in files if os.path.isfile(kept.path))  # not in a folder that may not be entered
    if len(files) > MOST_PHOTOS or sum(path.stat().st_size for path in there) > MOST_BYTES:
        raise TooMany
    return _pieces(files)


def member_names(names: Iterable[str]) -> Iterator[str]:
    """Names for files in one archive, in order: safe on every system, and no two the same, however they are spelt."""
    taken: set[str] = set()
    for name in names:
        stem = safe_name(PurePosixPath(clean_name(name)).stem.lstrip(". "))
        wanted, number = f"{stem}.jpg", 1
        while folded(wanted) in taken:
            number += 1
            wanted = f"{stem} ({number}).jpg"
        taken.add(folded(wanted))
        yield wanted


class _Pipe(io.RawIOBase):
    """Takes what is written, and gives it away; it cannot go back, so the archive tells sizes behind each file."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        self._written.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """What was written since the last time."""
        written, self._written = self._written, []
        return b"".join(written)


def _pieces(files: list[Kept]) -> Iterator[bytes]:
    pipe, missing = _Pipe(), list[str]()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as archive:  # JPEGs do not shrink
        for kept, member in zip(files, member_names(kept.name for kept in files), strict=True):
            try:
                data = kept.path.read_bytes()
            except OSError:
                missing.append(clean_name(kept.name))
                continue
            archive.writestr(_entry(member, kept.taken_at), data)
            yield pipe.taken()
        if missing:
            archive.writestr("missing.txt", "The kept pictures of these are gone:\n" + "\n".join(missing) + "\n")
    yield pipe.taken()


def _entry(member: str, taken_at: datetime | None) -> zipfile.ZipInfo:
    """A file of the date at which its photo was taken, so that it sorts by that where it is unpacked."""
    when = taken_at if taken_at is not None and taken_at.year in YEARS else datetime.now()
    entry = zipfile.ZipInfo(member, when.timetuple()[:6])
    entry.external_attr = 0o644 << 16  # or nobody may read it on Linux
    return entry
