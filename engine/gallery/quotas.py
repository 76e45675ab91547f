"""Visitors of a public page: who each one is, what they may keep, and until when.

Limits of an address, not of a visitor, stand in `app/server`: transfers, requests at once, sessions.

A visitor is known by a token that only their browser holds. What is stored is its hash: whoever reads the database
cannot become a visitor. Where one person has the place to themselves there are no visitors, and no limits.
"""

import hashlib
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock

from cachetools import TTLCache

from engine.gallery.galleries import delete_gallery
from engine.gallery.library import Library
from engine.ingest.image import ImageRejected
from engine.ingest.upload import Upload
from engine.storage.collections import list_collections
from engine.storage.images import has_image
from engine.storage.visitors import forget_visitor, last_seen, mark_seen, put_off, unseen_since, usage
from engine.utils.errors import EngineError

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
HOUR, DAY = 3600.0, 86_400.0  # seconds
PAGE = "page"  # who is noted like a visitor, every hour that the page runs


class TooMuch(EngineError):
    """A visitor asks for more than one may have."""


@dataclass(frozen=True)
class Limits:
    """What one visitor may keep and do."""

    galleries: int = 5
    photos: int = 1000
    bytes: int = 2**30  # of the files as they came
    at_once: int = 4  # requests in flight
    works: int = 1  # in flight: ingests, new encodings, races
    wasted: float = 120.0  # seconds an hour of looking at files that are no pictures
    days: float = 7.0  # of the page running, that what is kept outlives the last visit


class Visitors:
    """The visitors of one data folder; safe to use from many threads."""

    def __init__(self, library: Library, limits: Limits | None = None) -> None:
        self._library, self._database = library, library.database
        self.limits = limits or Limits()
        self._running: Counter[tuple[str, str]] = Counter()
        self._came: dict[str, float] = {}  # who came since that was last written down, and when; in s since the epoch
        self._wasted: TTLCache[str, float] = TTLCache(10_000, HOUR)  # seconds, by owner
        self._lock = Lock()

    def recognised(self, token: object) -> tuple[str, str]:
        """Whose token this is; one that we cannot have given makes a new visitor.

        Returns: the token to keep in the browser, and the owner that their galleries have.
        """
        known = token if isinstance(token, str) and _TOKEN.fullmatch(token) else secrets.token_urlsafe(32)
        owner = hashlib.sha256(known.encode()).hexdigest()
        self._note(owner)
        return known, owner

    def admit(self, owner: str, name: str) -> None:
        """Raise TooMuch where a visitor may not make a gallery of this name beside those there are.

        A visitor is written down now, and not before: who only looks leaves nothing.
        """
        names = [row.name for row in list_collections(self._database, "gallery", owner)]
        if name not in names and len(names) >= self.limits.galleries:
            raise TooMuch(f"A visitor may keep {self.limits.galleries} galleries here; delete one first.")
        mark_seen(self._database, owner, time.time())

    def within(self, owner: str, gallery: int, uploads: Sequence[Upload]) -> list[Upload]:
        """Uploads into a gallery, of which those over the visitor's limits are left out with that as their reason."""
        room = _Room(self.limits, *usage(self._database, owner), partial(has_image, self._database, gallery))
        spend = partial(self._spend, owner)
        return [
            replace(upload, read=partial(self._read, owner, upload), admit=room.take, refused=spend)
            for upload in uploads
        ]

    @contextmanager
    def turn(self, owner: str, work: bool = False) -> Iterator[None]:
        """One request of a visitor, or one long work; raises TooMuch while as many as are allowed are running."""
        what, most = ("work", self.limits.works) if work else ("request", self.limits.at_once)
        with self._lock:
            if self._running[owner, what] >= most:
                raise TooMuch(
                    "You have long work running already; begin this when that is done."
                    if work
                    else f"You have {most} requests running already; wait for one of them."
                )
            self._running[owner, what] += 1
        self._note(owner)
        try:
            yield
        finally:
            with self._lock:
                self._running[owner, what] -= 1
                self._running += Counter()  # forgets those that are at zero

    def write_down(self) -> None:
        """Write down who came since the last time, of those who keep something: no request waits for that."""
        with self._lock:
            came = dict(self._came)
        for owner, at in came.items():
            if list_collections(self._database, owner=owner):
                mark_seen(self._database, owner, at)
            with self._lock:
                if self._came[owner] == at:
                    del self._came[owner]  # not before: a database that is full now may have room the next time

    def _note(self, owner: str) -> None:
        if owner:
            with self._lock:
                self._came[owner] = time.time()

    def _spend(self, owner: str, seconds: float) -> None:
        with self._lock:
            self._wasted[owner] = self._wasted.get(owner, 0.0) + seconds

    def _read(self, owner: str, upload: Upload) -> bytes:
        with self._lock:
            wasted = self._wasted.get(owner, 0.0)
        if wasted > self.limits.wasted:
            raise ImageRejected(upload.name, "not looked at: too many files of yours took long and were no pictures")
        return upload.read()

    def expire(self, now: float | None = None) -> int:
        """Delete all that is kept of visitors who have not come for too long: rows, vectors and files.

        To be called every hour: longer gaps are times when the page was off, a backup's age, or a clock that was set.
        In those nobody could come, so they are no absence. Where the clock was set back, nobody came after now.

        Returns: how many visitors that were.
        """
        now = time.time() if now is None else now
        # Who came since is no sign that the page was on before.
        last = last_seen(self._database, PAGE) or last_seen(self._database) or now
        gap = now - last
        if gap > 2 * HOUR or gap < 0:
            put_off(self._database, max(gap, 0.0), now)
        mark_seen(self._database, PAGE, now)
        before = now - self.limits.days * DAY
        gone = unseen_since(self._database, before)
        for owner in gone:
            for row in list_collections(self._database, owner=owner):
                if not self._is_back(owner, before):  # these deletions may take minutes
                    delete_gallery(self._library, row.id)
            forget_visitor(self._database, owner, before)
        return len(gone)

    def _is_back(self, owner: str, before: float) -> bool:
        """Whether a visitor has come again since a time."""
        with self._lock:
            came = self._came.get(owner, 0.0)
        return max(came, last_seen(self._database, owner) or 0.0) >= before


class _Room:
    """What is left of a visitor's limits while their uploads are read."""

    def __init__(self, limits: Limits, photos: int, size: int, is_kept: Callable[[str], bool]) -> None:
        """`is_kept` says of a content hash whether its photo is in the gallery, and takes no more room."""
        self._limits, self._photos, self._bytes, self._is_kept = limits, photos, size, is_kept
        self._counted: set[str] = set()  # content hashes; a file may come twice
        self._lock = Lock()

    def take(self, name: str, content_hash: str, size: int) -> None:
        """Count a file, unless its photo is there already; raises ImageRejected where it would be too much."""
        with self._lock:
            if content_hash in self._counted or self._is_kept(content_hash):
                return
            if self._photos >= self._limits.photos:
                raise ImageRejected(name, f"over the limit of {self._limits.photos} photos for a visitor")
            if self._bytes + size > self._limits.bytes:
                raise ImageRejected(name, f"over the limit of {self._limits.bytes >> 20} MB for a visitor")
            self._counted.add(content_hash)
            self._photos += 1
            self._bytes += size
