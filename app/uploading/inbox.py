"""All uploads that are known of: those on their way, and those whose report was not read yet."""

import time
from collections.abc import Sequence
from threading import Lock

from app.uploading.incoming import Incoming, name_of
from engine.gallery import TooMuch

MOST_FILES = 2000  # of one upload; the page's script sends more of them as further uploads
KEPT = 200  # uploads that are known of
KEPT_OF_ONE = 3  # of one visitor, of those that leave nothing to be read
COMING = 32  # uploads on their way from one address: a class behind one router has room
PATIENCE = 120.0  # seconds for one that is superseded to end


class Inbox:
    """The uploads that are known of; safe to use from many threads."""

    def __init__(self) -> None:
        self._uploads: dict[str, Incoming] = {}  # by id, oldest first
        self._lock = Lock()

    def begin(self, owner: str | None, gallery: int, name: str, files: Sequence[str], address: str = "") -> Incoming:
        """Files are announced; what an upload that was cut short has settled of them need not come again.

        Args: address: where they come from; empty where one person has the place.
        Raises TooMuch where more are on their way than may be.
        """
        if len(files) > MOST_FILES:
            raise TooMuch(f"One upload holds {MOST_FILES} files; send the rest after it.")
        incoming = Incoming(owner, gallery, name, files, address)
        with self._lock:
            self._make_room(owner, address)
            earlier = [one for one in self._of(gallery) if one.owner == owner and set(files).intersection(one.files)]
            if earlier and earlier[-1].state != "done":
                _settle_again(incoming, earlier[-1])
            for one in earlier:
                one.read |= one.over and set(files).issuperset(one.files)
            self._uploads[incoming.id] = incoming
        return incoming

    def forget(self, gallery: int) -> None:
        """Photos of a gallery were deleted: files that were taken in before may come again."""
        with self._lock:
            for one in self._of(gallery):
                one.outdated = True

    def close(self, gallery: int) -> None:
        """A gallery was deleted: what became of uploads into it is told no more."""
        with self._lock:
            for one in self._of(gallery):
                one.read |= one.over

    def rename(self, gallery: int, name: str) -> None:
        """A gallery is called otherwise: what is told of uploads into it names it so."""
        with self._lock:
            for one in self._of(gallery):
                one.name = name

    def find(self, id: str) -> Incoming | None:
        """An upload by the name that only the page that sends it was told."""
        return self._uploads.get(id)

    def is_known(self, owner: str | None, nonce: str) -> bool:
        """Whether a visitor's page has announced an upload under this name, since the server began."""
        with self._lock:
            return any(one.owner == owner and one.nonce == nonce for one in self._uploads.values())

    def unread(self, owner: str | None) -> list[Incoming]:
        """A visitor's uploads whose report was not read, newest first."""
        with self._lock:
            return [one for one in reversed(self._uploads.values()) if one.owner == owner and not one.read]

    def supersede(self, owner: str | None, files: Sequence[str]) -> None:
        """The same files are dropped again: an upload of them that still waits for the rest ends first."""
        again = set(files)
        for earlier in self.unread(owner):
            if not earlier.over and again.intersection(earlier.files):
                earlier.leave(superseded=True)
                deadline = time.monotonic() + PATIENCE
                while not earlier.over and time.monotonic() < deadline:
                    earlier.wait(0.5)

    def _of(self, gallery: int) -> list[Incoming]:
        return [one for one in self._uploads.values() if one.gallery == gallery]

    def _make_room(self, owner: str | None, address: str) -> None:
        """Forget those that are over: what one visitor has too many of, and the oldest of all; raises TooMuch."""
        coming = [one for one in self._uploads.values() if one.address == address and not one.over]
        if address and len(coming) >= COMING:
            raise TooMuch("Many people behind your address send photos just now; choose yours again in a minute.")
        own = [one for one in self._uploads.values() if one.owner == owner and one.over and (one.read or one.whole)]
        most = len(self._uploads) - KEPT + 1
        oldest = [one for one in self._uploads.values() if one.over][: max(most, 0)]
        for one in [*own[: -(KEPT_OF_ONE - 1) or None], *oldest]:
            self._uploads.pop(one.id, None)
        if len(self._uploads) >= KEPT:
            raise TooMuch("Many people send photos just now; try again in a minute.")


def _settle_again(incoming: Incoming, earlier: Incoming) -> None:
    known = set() if earlier.outdated else {earlier.files[number] for number in earlier.settled()}
    numbers = [number for number, file in enumerate(incoming.files) if file in known]
    names = {name_of(incoming.files[number]) for number in numbers}
    incoming.settle(numbers, [skip for skip in earlier.skipped if skip.file in names])
