"""What the page remembers of one visitor, until the tab is closed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any, Literal, get_args

import numpy as np
from cachetools import LRUCache

from app.server.order import arrival
from app.work import Running
from engine.gallery import MOST_ALBUMS, AlbumSet, AlbumsRejected, Deepened, Hit, Looks, Order

REMEMBERED = 6  # queries of this session
NEW_GALLERY = "My photos"  # what photos are added to at first

COLUMNS = MOST_ALBUMS + 2  # of a board: the albums, those in doubt, and none of these
VIEWS_KEPT = 4  # galleries whose albums are remembered
UNDONE = 20  # changes of albums
DROPS = 100  # of files, that wait to be announced
ON_ITS_WAY = 0.5  # seconds that an answer waits at most until the one before it has left for the page

Work = Literal["budget", "fit", "race", "albums"]


class Turn:
    """Lets one thread of a session ask, select or sort at a time; answers come side by side."""

    def __init__(self) -> None:
        self._lock = Lock()

    def __deepcopy__(self, memo: dict[int, Any]) -> "Turn":
        return Turn()  # Gradio copies the first session for each visitor

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()


class Sending:
    """Lets the answers of a session leave for its page in their order.

    A thread that has found its answer still wanted may be kept waiting before Gradio sends that, while another one
    answers a later question. Gradio asks for what follows once it has sent what it got: an answer waits for that.
    """

    def __init__(self) -> None:
        self._lock, self._last = Lock(), Event()
        self._last.set()

    def __deepcopy__(self, memo: dict[int, Any]) -> "Sending":
        return Sending()  # as with Turn

    @contextmanager
    def after_the_last(self) -> Iterator[None]:
        """To be held around a look whether an answer is still wanted, and its `yield`."""
        sent = Event()
        with self._lock:
            before, self._last = self._last, sent
        try:
            before.wait(ON_ITS_WAY)  # no longer: for a page that was left nothing more is asked
            yield
        finally:
            sent.set()


@dataclass
class AlbumView:
    """A gallery's albums as one page shows them."""

    asking: object = field(default_factory=object)  # another one with every change, and when second looks are over
    turn: Turn = field(default_factory=Turn)  # of changes that follow each other quickly, to be sorted by
    looking: bool = False  # second looks go on
    refused: int = 0  # changes that could not be made: a board begun before leaves what the line says of them
    looked: set[int] = field(default_factory=set)  # photos that got a second look since the tab was opened first
    judged: int = 0  # photos of the gallery when second looks were over last
    unfolded: LRUCache[str, int] = field(default_factory=lambda: LRUCache(COLUMNS))  # how often more was asked, by key
    sought: dict[str, str] = field(default_factory=dict)  # words that a column's photos are ranked by
    changes: list[tuple[AlbumSet, AlbumSet]] = field(default_factory=list)  # by the visitor: before and after

    def changed(self, before: AlbumSet, after: AlbumSet) -> None:
        """Remember a change, for `undo`."""
        if before != after:
            self.changes = [*self.changes, (before, after)][-UNDONE:]

    def undo(self, albums: AlbumSet) -> AlbumSet:
        """As they were before the visitor's last change; raises AlbumsRejected where that is not the last one."""
        if not self.changes:
            raise AlbumsRejected("There is nothing to undo.")
        before, after = self.changes[-1]
        if after != albums:
            self.changes = []  # to go back to those would lose what others did
            raise AlbumsRejected("There is nothing to undo: these albums or their photos have changed since.")
        return before


@dataclass
class Session:
    """Which gallery is on show, what was asked of it, and what came back."""

    token: str | None = None  # what this visitor's browser keeps, where strangers come
    owner: str | None = None  # whose galleries these are; None where one person has the place to themselves
    browser: str = ""  # what names it, where albums of galleries of others are kept
    links: tuple[str, ...] = ()  # published galleries that were opened by their address
    gallery: int | None = None
    welcomed: bool = False  # the first answer was given, or is on its way
    tab: str = ""  # the one that is open, by its title
    query: str = ""  # all of it: the picture, and the words that stand in the box
    words: str = ""
    like: str = ""  # the picture that is searched with, as a term of the query
    thumbnail: str = ""  # address of that picture
    corrected: str = ""  # the words as they were probably meant, where that differs
    words_only: bool = False  # what is on show was asked by words alone, and no sum
    asking: object = field(default_factory=object)  # another one each time: two queries may read the same
    turn: Turn = field(default_factory=Turn)
    sending: Sending = field(default_factory=Sending)  # of its answers
    arrival: int = 0  # number of the event that asked for it
    step: str = ""  # of Back and Forward that was asked for last, by its number
    dropped: np.ndarray | None = None  # (D,) the picture of one's own that was given last
    dropped_thumbnail: str = ""  # address of it
    hits: list[Hit] = field(default_factory=list)
    above: int = 0  # how many photos fit, of the whole ranking: a line is drawn after them
    deepened: dict[int, Deepened] = field(default_factory=dict)
    order: Order = "arrival"  # of photos when nothing is asked
    year: int | None = None  # that photos on show were taken in; None: whenever
    looks: Looks = field(default_factory=dict)  # what ran deeper for the query on show, and is not in the index
    unfolded: int = 0  # how often more was asked for
    photo: int | None = None  # the selected one
    selected: int = 0  # number of the event that selected it
    published: dict[int, int] = field(default_factory=dict)  # the last event that did so or ended it, by gallery
    picked: str = ""  # names the visitor's selection of it, which a later answer leaves on show; empty: nobody chose it
    history: list[str] = field(default_factory=list)
    settings: tuple[float, str] | None = None  # budget and phrases, as the page has put them into their boxes
    offered: str = NEW_GALLERY  # the gallery to add photos to that the page has named last
    offers: int | None = None  # the same by its number, where there was one of that name
    named: bool = False  # the visitor has named another one that nothing was added to yet: it stays
    drops: LRUCache[str, str] = field(default_factory=lambda: LRUCache(DROPS))  # the gallery that each goes to, by name
    albums: LRUCache[int, AlbumView] = field(default_factory=lambda: LRUCache(VIEWS_KEPT))  # by gallery
    racing: bool = False  # the comparison was drawn last while its gallery raced
    works: dict[Work, list[Running]] = field(default_factory=dict)  # begun for this session, and can be stopped

    def ask(self, words: str, like: str = "", thumbnail: str = "") -> None:
        """Begin anew with a query: words, a picture, or a picture and words.

        Args: like: the picture as a term of the query.  thumbnail: address of the picture.
        """
        self.go_on()
        self.words, self.like, self.thumbnail = words, like, thumbnail
        joined = f"{like} {words}" if words.lstrip().startswith(("+", "-")) else f"{like} + {words}"
        self.query = words if not like else joined if words.strip() else like
        self.unfolded = 0
        self.hits, self.deepened, self.looks = [], {}, {}
        self.corrected, self.words_only = "", False
        if words.strip() and not like:
            self.history = [words, *(earlier for earlier in self.history if earlier != words)][:REMEMBERED]

    def arrange(self, order: str, year: str) -> None:
        """Have the order and the year that the page names; an order that there is not leaves it as it is."""
        self.order = next((known for known in get_args(Order) if known == order), self.order)
        self.year = int(year) if year.isdecimal() and len(year) <= 4 else None

    def go_on(self) -> object:
        """Leave what was asked and selected until now behind: an answer that is still on its way is not shown.

        Returns: what `asking` is until the visitor goes on again.
        """
        self.asking = object()
        if arrival() >= self.selected:  # or the photo was selected since, and this thread has begun late
            self.picked = ""
        return self.asking

    def forget(self, words: str) -> None:
        """Offer a query no more: it cannot be asked, or the visitor did not ask it."""
        self.history = [earlier for earlier in self.history if earlier != words]

    @property
    def title(self) -> str:
        """The query as a person would say it."""
        if not self.like:
            return self.query
        return f"the picture, {self.words.strip()}" if self.words.strip() else "the picture"

    def rank(self, photo_id: int) -> int | None:
        """Where a photo stands in the ranking on show."""
        return next((hit.rank for hit in self.hits if hit.photo.id == photo_id), None)

    def earlier(self, but: Sequence[str]) -> list[str]:
        """The queries of this session, the present one and those that are offered anyway left out."""
        return [query for query in self.history if query != self.query and query not in but]
