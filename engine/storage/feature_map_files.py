"""Feature maps: files below one folder up to a limit, the least recently used deleted first."""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from engine.storage.bind_limit import change_rows, rows_of
from engine.storage.schema import FeatureMapRow, ImageRow
from engine.utils.atomic_files import settled, write_whole

LIMIT = 2 << 30  # bytes; a map of the embedded model has some 50,000
ROOM = 0.9  # what is kept of the limit once it is reached, so that it is not reached again at once


class MapFile(NamedTuple):
    """A file that holds a map."""

    file: str
    bytes: int


class FeatureMapFiles:
    """Rows and files of feature maps.

    Changes of rows are part of the caller's transaction. Each returns the files that have lost their rows: the caller
    hands them to `unlink` after the commit, so that no row lacks its file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, file: str) -> bool:
        """Whether a map's file is there."""
        return os.path.isfile(self._path(file))

    def read(self, file: str) -> bytes | None:
        """The map in a file; None where it is gone or cannot be read."""
        try:
            return self._path(file).read_bytes()
        except OSError:
            return None

    def write(self, data: bytes | None) -> MapFile | None:
        """Write a map to a file that has no row yet; None for none, or where the disk is full.

        An image without a map is run again where it could have been run on.
        """
        if data is None:
            return None
        kept = MapFile(f"{uuid4().hex}.safetensors", len(data))
        try:
            write_whole(self._path(kept.file), data)
        except OSError:
            return None
        return kept

    def put(self, session: Session, image_id: int, exit: int, kept: MapFile | None) -> list[str]:
        """Keep an image's map, or none, in place of the one before."""
        before = session.get(FeatureMapRow, image_id, with_for_update=True)  # another collection's trim may take it
        lost = []
        if before is not None:
            lost.append(before.file)
            session.delete(before)
            session.flush()
        if kept is not None:
            session.add(FeatureMapRow(image_id=image_id, exit=exit, last_used=time.time(), **kept._asdict()))
        return lost

    def use(self, session: Session, image_ids: Sequence[int]) -> None:
        """Note that people look at these images."""
        used = update(FeatureMapRow).values(last_used=time.time())
        change_rows(session, used, FeatureMapRow.image_id, image_ids)

    def trim(self, session: Session) -> list[str]:
        """Delete the least recently used rows, once all maps together are over the limit."""
        total = session.scalar(select(func.sum(FeatureMapRow.bytes))) or 0
        lost: list[str] = []
        if total > LIMIT:
            # Those that another transaction holds are in use.
            oldest = select(FeatureMapRow).order_by(FeatureMapRow.last_used).with_for_update(skip_locked=True)
            for row in session.scalars(oldest).all():
                if total <= ROOM * LIMIT:
                    break
                total -= row.bytes
                lost.append(row.file)
                session.delete(row)
        return lost

    def files(self, session: Session, collection_id: int, image_ids: Sequence[int] | None = None) -> list[str]:
        """The files of a collection's maps, or of those of some of its images."""
        wanted = select(FeatureMapRow.file).join(ImageRow).where(ImageRow.collection_id == collection_id)
        if image_ids is None:
            return list(session.scalars(wanted))
        return [file for (file,) in rows_of(session, wanted, ImageRow.id, image_ids)]

    def unlink(self, files: Sequence[str]) -> None:
        """Delete files whose rows are gone; one that cannot be deleted now is left to a sweep."""
        for file in files:
            with suppress(OSError):
                self._path(file).unlink(missing_ok=True)

    def sweep(self, session: Session) -> None:
        """Delete the files without a row that a sudden death has left, and parts of files."""
        known = set(session.scalars(select(FeatureMapRow.file)))
        for path in settled(path for path in self._folder.glob("*/*") if path.name not in known):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _path(self, file: str) -> Path:
        return self._folder / file[:2] / file
