"""Files of the data folder, written whole or not at all."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

SETTLED_SECONDS = 3600.0  # a younger file may be of a transaction that is still to be committed


def write_whole(path: Path, data: bytes) -> None:
    """Write a file; a sudden death leaves a whole one or none. Raises: OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:  # nobody else may read it
        part = Path(file.name)
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def settled(paths: Iterator[Path]) -> Iterator[Path]:
    """The files among these that no transaction is busy with any more."""
    oldest = time.time() - SETTLED_SECONDS
    for path in paths:
        with suppress(FileNotFoundError):  # another process was faster
            if path.stat().st_mtime < oldest:
                yield path
