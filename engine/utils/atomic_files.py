"""Atomic writes: a file is written whole or not at all."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

SETTLED_SECONDS = 3600.0  # a younger file may be of a transaction that is still to be committed
PRIVATE, SHARED = 0o600, 0o666  # permissions, less what the user's umask takes away


def write_whole(path: Path, data: bytes, mode: int = PRIVATE) -> None:
    """Write a file whole or not at all; by default for this user alone to read.

    A sudden death may leave a file beside it that ends in .part. Raises: OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{uuid4().hex}.part")
    part.touch(mode)
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def settled(paths: Iterator[Path]) -> Iterator[Path]:
    """The files among these that are too old to belong to a transaction under way."""
    oldest = time.time() - SETTLED_SECONDS
    for path in paths:
        with suppress(FileNotFoundError):  # another process was faster
            if path.stat().st_mtime < oldest:
                yield path
