"""Room on the disk that is kept for deletions: a database writes down what is to go before anything is free."""

import shutil
from contextlib import suppress
from pathlib import Path

SIZE = 16 << 20  # bytes: to delete a gallery of 3,000 photos SQLite wrote 13.7 MB


class SpareRoom:
    """A file beside the database that takes up room until it is needed."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "spare-room"

    def keep(self) -> None:
        """Take the room up, where there is plenty of it."""
        with suppress(OSError):
            if not self._file.exists() and shutil.disk_usage(self._file.parent).free > 4 * SIZE:
                self._file.write_bytes(bytes(SIZE))

    def give_up(self) -> None:
        """Free the room, where the disk is nearly full."""
        with suppress(OSError):
            if shutil.disk_usage(self._file.parent).free < SIZE:
                self._file.unlink(missing_ok=True)
