"""The picture files that are kept: one for all images made of the same bytes, as long as there is any."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.storage.schema import ImageRow
from engine.utils.atomic_files import settled, write_whole


class KeptPictures:
    """Files of pictures, and notes of those that may have lost their rows.

    Files come before the commit of their rows and go after it, so that no row ever lacks its file. What a sudden death
    leaves in between stands in a note, and is looked at later. A picture in no note is never deleted: the folder may
    serve another database too, which knows its row.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._notes = folder.with_name("doubts")

    def path(self, content_hash: str) -> Path:
        """Where the picture of an image is kept."""
        return self._folder / content_hash[:2] / f"{content_hash}.jpg"

    def keep(self, pictures: Mapping[str, bytes]) -> None:
        """Write pictures, by content hash, where there are none; raises OSError."""
        for content_hash, data in pictures.items():
            path = self.path(content_hash)
            if not path.exists():
                write_whole(path, data)

    def doubt(self, hashes: Iterable[str]) -> Path:
        """Note pictures whose rows are about to come or go; who has seen to them deletes the note."""
        note = self._notes / uuid4().hex
        with suppress(OSError):  # a full disk: deleting makes room, and has to go on
            write_whole(note, "\n".join(hashes).encode("ascii"))
        return note

    def drop(self, session: Session, hashes: Iterable[str]) -> None:
        """Delete the pictures among these that no image uses any more."""
        for content_hash in hashes:
            if session.scalar(select(ImageRow.id).where(ImageRow.content_hash == content_hash).limit(1)) is None:
                self.path(content_hash).unlink(missing_ok=True)

    def doubted(self) -> Iterator[tuple[Path, list[str]]]:
        """The notes that a sudden death has left, and the pictures in each."""
        for note in settled(self._notes.glob("*")):
            with suppress(FileNotFoundError):  # another process was faster
                yield note, note.read_text(encoding="ascii").split()

    def sweep(self) -> None:
        """Delete the parts of files that a sudden death has left."""
        for part in settled(self._folder.glob("*/*.part")):
            part.unlink(missing_ok=True)
