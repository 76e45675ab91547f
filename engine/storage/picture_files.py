"""Picture files: one for all images made of the same bytes, deleted after the last of them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.storage.bind_limit import rows_of
from engine.storage.schema import ImageRow
from engine.utils.atomic_files import settled, write_whole


class PictureFiles:
    """Picture files, and notes of those whose rows are about to come or go.

    A file is written before its row is committed, and deleted after the row is: no row lacks its file. A note lists the
    files in between, and outlives a sudden death, or a file that cannot be deleted yet: a later sweep deletes those
    without a row. A picture in no note is never deleted, since the folder may serve another database too, which has a
    row for it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._notes = folder.with_name("doubts")

    def path(self, content_hash: str) -> Path:
        """Where the picture of an image is kept."""
        return self._folder / content_hash[:2] / f"{content_hash}.jpg"

    def keep(self, pictures: Mapping[str, bytes]) -> None:
        """Write pictures, by content hash, where they are not there or are damaged; raises OSError."""
        for content_hash, data in pictures.items():
            path = self.path(content_hash)
            if not _holds(path, data):
                write_whole(path, data)

    def write_note(self, hashes: Iterable[str]) -> Path:
        """Write a note of pictures whose rows are about to come or go; the caller deletes it when they have."""
        note = self._notes / uuid4().hex
        with suppress(OSError):  # a full disk: deleting makes room, and has to go on
            write_whole(note, "\n".join(hashes).encode("ascii"))
        return note

    def drop(self, session: Session, hashes: Collection[str]) -> bool:
        """Delete the pictures among these that no image uses any more; returns whether all of them could be."""
        wanted = select(ImageRow.content_hash).distinct()
        used = {row.content_hash for row in rows_of(session, wanted, ImageRow.content_hash, hashes)}
        gone = True
        for content_hash in set(hashes) - used:
            try:
                self.path(content_hash).unlink(missing_ok=True)
            except PermissionError:  # Windows deletes no file that is open: a browser may load it just now
                gone = False
        return gone

    def settled_notes(self) -> Iterator[tuple[Path, list[str]]]:
        """The notes that a sudden death has left, and what can still be read in each."""
        for note in settled(self._notes.glob("*")):
            with suppress(OSError):  # another process was faster
                words = note.read_text(encoding="ascii", errors="replace").split()
                yield note, [word for word in words if word.isalnum()]

    def sweep(self) -> None:
        """Delete the parts of files that a sudden death has left."""
        for part in settled(self._folder.glob("*/*.part")):
            with suppress(OSError):
                part.unlink(missing_ok=True)


def _holds(path: Path, data: bytes) -> bool:
    """Whether a file holds these bytes; after a loss of power one of the right length may be full of zeros."""
    try:
        return path.read_bytes() == data
    except OSError:
        return False
