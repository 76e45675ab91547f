"""Uploads on their way: files come one group after the other, and are taken in while the next ones are sent.

What is known of an upload stays here: a page that is loaded again, or another tab, finds it; what had arrived is
indexed even where nobody sends the rest, and the rest has names.
"""

import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Condition
from typing import Literal

from app.work import Listing, Stopped, Waiting
from engine.gallery import Photo, Progress, Skipped, clean_name

GROUP = 32  # files that are taken in together: a batch of the encoder
AHEAD = 64  # files that may wait to be taken in; while there are more the next ones are answered late
QUIET = 30.0  # seconds without a word from the page that sends, after which the rest will not come
STILL = 300.0  # the same without a new file, whatever else it says
PACE = 10.0  # seconds that the rate is measured over
SHOWN = 12  # photos that came in last

State = Literal["coming", "done", "left", "stopped", "failed"]


class Incoming:
    """One upload: which files were announced, which came, and what became of them. Safe to use from many threads."""

    def __init__(
        self,
        owner: str | None,
        gallery: int,
        name: str,
        files: Sequence[str],
        address: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
        owner: whose upload it is; None where one person has the place.
        gallery, name: where the photos go.
        files: a line for each, `SIZE/MODIFIED/NAME`, as the browser knows them.
        address: where it comes from; empty where that does not matter.
        """
        self.id = secrets.token_urlsafe(18)
        self.owner, self.gallery, self.name = owner, gallery, name
        self.files, self.address = tuple(files), address
        self.state: State = "coming"
        self.nonce = ""  # by which the page that sends knows its own upload again
        self.new_gallery = False  # the gallery was made for it
        self.problem = ""  # why it failed
        self.read = False  # its report was read, and is shown no more
        self.seen = False  # its visitor was there when all of it had come in: only the report tells of it
        self.outdated = False  # photos of the gallery were deleted since
        self.place = 0  # in line, where it waits for others
        self.added = self.duplicates = 0
        self.macs_share = 0.0  # mean, of those added
        self.skipped: list[Skipped] = []
        self.latest: tuple[Photo, ...] = ()  # the last ones, newest first
        self.version = 0  # of what is told here
        self._clock, self._changed = clock, Condition()
        self._arrived: dict[int, Path] = {}  # waiting to be taken in
        self._settled: set[int] = set()  # files that were taken in, or were there before
        self._photos = (0, 0)  # done and total, of the group that is taken in
        self._beyond = 0  # photos that archives held, less the archives
        self._counted = 0  # photos of the groups that were taken in
        self._group = len(files)  # files that are being taken in
        self._open, self._heard = 0, clock()  # requests that are answered, and when the last one was
        self._moved = clock()  # when a file came or was taken in
        self._stopping = self._left = self._superseded = False
        self._pace: deque[tuple[float, int]] = deque([(clock(), 0)])

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.state != "coming"

    @property
    def takes_more(self) -> bool:
        """Whether files may still come: it is not over, and nobody has stopped it."""
        return not self.over and not self._stopping

    @property
    def whole(self) -> bool:
        """Whether it is over, and all of it was taken in."""
        return self.state == "done" and not self.skipped and not self.missing()

    @property
    def done(self) -> int:
        """Photos and files of which is known what became."""
        return self._counted + self._photos[0]

    @property
    def total(self) -> int:
        """Photos and files as far as is known: an archive counts as one until it is opened."""
        return len(self.files) + self._beyond

    @property
    def here(self) -> int:
        """Files that have arrived, or were there before."""
        with self._changed:
            return len(self._settled) + len(self._arrived)

    def missing(self) -> list[str]:
        """Names of the files that never came, or came and were not taken in."""
        with self._changed:
            return [name_of(file) for number, file in enumerate(self.files) if number not in self._settled]

    def settled(self) -> list[int]:
        """The numbers of the files of which is known what became."""
        with self._changed:
            return sorted(self._settled)

    def rate(self) -> float:
        """Photos a second, over the last ten seconds; 0 while none is done."""
        with self._changed:
            (began, first), (ended, last) = self._pace[0], self._pace[-1]
            now = self._clock()
        if last == first:
            return 0.0
        typical = (ended - began) / max(len(self._pace) - 1, 1)
        if now - ended > 2 * typical:  # it has slowed down since
            ended = now
        return (last - first) / max(ended - began, 0.001)

    def seconds_left(self) -> float | None:
        """How long the rest takes at the present rate; None where that is not known."""
        rate = self.rate()
        return max((self.total - self.done) / rate - (self._clock() - self._pace[-1][0]), 0.0) if rate else None

    @contextmanager
    def hearing(self) -> Iterator[None]:
        """While a request of the page that sends is being answered."""
        with self._changed:
            self._open += 1
        try:
            yield
        finally:
            with self._changed:
                self._open -= 1
                self._heard = self._clock()

    def put(self, files: dict[int, Path]) -> list[Path] | None:
        """Files have arrived, by their number in the list; None where the upload is over, or has no such numbers.

        Returns: those that are not needed, for they came before: where an answer is lost the page sends a group again.
        """
        with self._changed:
            if not self.takes_more or not all(number in range(len(self.files)) for number in files):
                return None
            came = files.keys() & (self._settled | self._arrived.keys())
            self._arrived |= {number: files[number] for number in files.keys() - came}
            self._moved = self._moved if came == files.keys() else self._clock()
            self._tell()
            return [files[number] for number in came]

    def settle(self, numbers: Sequence[int], skipped: Sequence[Skipped] = ()) -> None:
        """Files need not come: they were taken in before. Args: skipped: those of them that were left out then."""
        with self._changed:
            new = {number for number in numbers if number in range(len(self.files))} - self._settled
            self._settled |= new
            self._counted += len(new)
            self.skipped += skipped
            self.duplicates += len(new) - len(skipped)
            self._moved = self._clock() if new else self._moved
            self._pace = deque((at, done + len(new)) for at, done in self._pace)  # they took no time: no pace is theirs
            self._tell()

    def has_room(self) -> bool:
        """Whether the next files may come."""
        return len(self._arrived) < AHEAD

    def group(self) -> list[tuple[int, Path]]:
        """The next files to take in, waited for; none when there will be no more. What is waiting is returned first."""
        with self._changed:
            while not self._arrived:
                if self._stopping or len(self._settled) == len(self.files):
                    return []
                now = self._clock()
                quiet = self._left or now - self._heard > QUIET or now - self._moved > STILL
                if self._superseded or (quiet and not self._open):
                    self.state = "left"
                    return []
                self._changed.wait(1.0)
            group = (
                [] if self._stopping else sorted(self._arrived.items())[:GROUP]
            )  # as they were chosen, whichever came first
            self._group = len(group)
            return group

    def taken(self, numbers: Sequence[int]) -> None:
        """A group was taken in whole, as `tell` has told."""
        with self._changed:
            for number in numbers:
                self._arrived.pop(number, None)
            self._settled |= set(numbers)
            self._moved = self._clock()
            self._counted += self._photos[0]
            self._photos = (0, 0)
            self._tell()

    def tell(self, event: Progress | Waiting | Listing) -> None:
        """How far the present group is; raises Stopped once that was asked for, unless the group is done anyway."""
        with self._changed:
            self.place = event.place if isinstance(event, Waiting) else 0
            if isinstance(event, Progress):
                self._count(event)
            self._tell()
            if self._stopping and not (isinstance(event, Progress) and event.done == event.total):
                raise Stopped

    def stop(self) -> None:
        """No more of it, please; what is done stays."""
        with self._changed:
            self._stopping = True
            self._tell()

    def leave(self, superseded: bool = False) -> None:
        """The page that sends was closed. Args: superseded: its files come anew: none that is on its way is needed."""
        with self._changed:
            self._left, self._superseded = True, superseded
            self._tell()

    def end(self, problem: str = "") -> list[Path]:
        """It is over. Args: problem: why, where it failed.  Returns: files that came and were not taken in."""
        with self._changed:
            if self.state == "coming":
                self.state = "failed" if problem else "stopped" if self._stopping else "done"
            self.problem = problem
            left = list(self._arrived.values())
            self._arrived.clear()
            self._tell()
            return left

    def wait(self, seconds: float) -> None:
        """Wait for news, and not longer."""
        with self._changed:
            known = self.version
            self._changed.wait_for(lambda: self.version != known or self.over, seconds)

    def _count(self, event: Progress) -> None:
        """Photos of a batch: they stay, even where the group is stopped after it."""
        if not self._photos[1]:
            self._beyond += event.total - self._group
        self.duplicates += event.done - self._photos[0] - len(event.latest) - len(event.skipped)
        spent = self.macs_share * self.added + sum(photo.macs_share for photo in event.latest)
        self.added += len(event.latest)
        self.macs_share = spent / self.added if self.added else 0.0
        self._photos = event.done, event.total
        self.latest = (*reversed(event.latest), *self.latest)[:SHOWN]
        self.skipped += event.skipped
        self._note_pace()

    def _note_pace(self) -> None:
        now = self._clock()
        self._pace.append((now, self.done))
        while len(self._pace) > 2 and now - self._pace[1][0] > PACE:
            self._pace.popleft()

    def _tell(self) -> None:
        self.version += 1
        self._changed.notify_all()


def name_of(file: str) -> str:
    """The name in an announced line, safe to show."""
    return clean_name(file.split("/", 2)[-1])


def size_of(file: str) -> int:
    """The bytes in an announced line; 0 where it says none."""
    size = file.partition("/")[0]
    return int(size) if size.isascii() and size.isdecimal() and len(size) < 16 else 0
