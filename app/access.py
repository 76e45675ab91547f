"""Who may look at which gallery, and change it: every handler asks here."""

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from ipaddress import ip_address
from threading import Semaphore
from typing import Any

from app.demo import Demo
from app.server.order import event_scope
from app.server.settings import says_public, server_name
from app.server.transfers import address_of
from app.session import Session
from app.work import Line
from engine.gallery import (
    EngineError,
    GalleryMissing,
    GallerySummary,
    Library,
    Photo,
    PhotoMissing,
    TooMuch,
    Visitors,
    filling,
    find_gallery,
    get_photo,
    list_galleries,
    open_gallery,
    published_gallery,
    summarize_gallery,
    with_look,
)

PATIENCE = 20.0  # seconds that a place of an address is waited for
LONGEST = 7200.0  # seconds of one turn at long work, of a stranger's; an upload has one for each group of files
GONE = "This gallery is not there any more; choose another one."
# A session was dropped while its page slept, or the server was started anew: Gradio goes on with an empty one.
FORGOTTEN = "The server does not know this page any more; load it again, and your galleries are there."


class NotYours(EngineError):
    """A gallery that may be looked at and not changed."""


class Access:
    """The galleries that a session reaches: its owner's own, the demo's, and those opened by their published address.

    Where strangers come (`visitors` is given) each has their own, within limits. Else there is one owner, of all.
    """

    def __init__(self, library: Library, demo: Demo, visitors: Visitors | None) -> None:
        self._library, self._demo, self._visitors = library, demo, visitors
        self._line = Line()
        self._places = [Semaphore(2) for _ in range(64)]  # few addresses share one

    @property
    def alone(self) -> bool:
        """One owner has the place to themselves, and may change what is everyone's."""
        return self._visitors is None

    def arrive(self, kept: object, session: Session) -> None:
        """A visitor comes, with what their browser kept; a new one is given a token of their own."""
        if not session.browser:
            known, new = kept.get("browser") if isinstance(kept, dict) else None, secrets.token_urlsafe(32)
            session.browser = known if isinstance(known, str) and len(known) == len(new) else new
        if self._visitors is not None and session.token is None:
            token = kept.get("visitor") if isinstance(kept, dict) else None
            session.token, session.owner = self._visitors.recognised(token)

    def galleries(self, session: Session) -> list[GallerySummary]:
        """All that may be looked at: the one indexed last first."""
        if self._visitors is None:
            return list_galleries(self._library)
        own = list_galleries(self._library, owner=session.owner) if session.owner is not None else []
        opened = [published_gallery(self._library, link) for link in session.links]
        others = [self._demo.id, *(id for id in opened if id is not None)]
        known = {summary.id for summary in own}
        return [*own, *(summarize_gallery(self._library, id) for id in dict.fromkeys(others) if id not in known)]

    def gallery(self, collection_id: int | None, session: Session) -> GallerySummary:
        """One that may be looked at; raises GalleryMissing, whether there is another one of that number or not."""
        try:
            found = summarize_gallery(self._library, collection_id if collection_id is not None else 0)
        except (GalleryMissing, OverflowError):
            found = None
        if found is None or not self._may_look_at(found, session):
            raise GalleryMissing(FORGOTTEN if session.gallery is None else GONE)
        return found

    def own(self, collection_id: int | None, session: Session) -> GallerySummary:
        """One that may be changed; raises GalleryMissing, NotYours."""
        found = self.gallery(collection_id, session)
        if found.kind == "demo":
            raise NotYours("The demo gallery stays as it is; add photos to a gallery of your own.")
        if not self.owns(found, session):
            raise NotYours("This gallery is its owner’s; add photos to one of your own.")
        return found

    def owns(self, gallery: GallerySummary, session: Session) -> bool:
        """Whether the session may change a gallery."""
        if self._visitors is None:
            return gallery.kind != "demo"
        return session.owner is not None and gallery.owner == session.owner

    def recodable(self, collection_id: int | None, session: Session) -> GallerySummary:
        """One whose photos may be encoded again; raises GalleryMissing, NotYours.

        The demo gallery belongs to everyone who comes: only who has the place to themselves may change it.
        """
        return self.gallery(collection_id, session) if self._visitors is None else self.own(collection_id, session)

    def require_race(self, gallery: GallerySummary, session: Session) -> None:
        """Raise NotYours where the session may not have a gallery raced.

        A race takes as much as encoding all photos six times: where strangers come, each may ask for it of their own.
        """
        if not self.may_spend(gallery, session):
            raise NotYours("A race takes a lot of this machine; only a gallery’s owner may start one.")

    def may_spend(self, gallery: GallerySummary, session: Session) -> bool:
        """Whether compute may be spent in a gallery's name: on a race, or a picture that it is searched with."""
        return self.alone or self.owns(gallery, session)

    def may_spend_on_show(self, session: Session) -> bool:
        """The same of the gallery on show; not where it is gone."""
        with suppress(GalleryMissing):
            return self.may_spend(self.gallery(session.gallery, session), session)
        return False

    def photo(self, number: int | str, session: Session) -> Photo:
        """A photo of a gallery that may be looked at, as deep as the session's query has run it.

        Args: number: as a page sends it, it may be none.
        Raises: PhotoMissing, whether there is such a one or not.
        """
        try:
            found = get_photo(self._library, int(number))
            self.gallery(found.collection_id, session)
        except (PhotoMissing, GalleryMissing) as error:
            raise PhotoMissing(f"There is no photo number {number} any more; search again.") from error
        except (ValueError, OverflowError) as error:
            raise PhotoMissing("This photo is not there any more; search again.") from error
        return with_look(found, session.looks.get(found.id))

    def named(self, name: str, session: Session) -> int:
        """The gallery of that name, or published under that link; raises GalleryMissing."""
        has_own = self._visitors is None or session.owner is not None
        found = find_gallery(self._library, name, session.owner) if has_own else None
        if found is None:
            found = published_gallery(self._library, name)
        if found is None:
            raise GalleryMissing(f'There is no gallery "{name}".')
        return found

    def at_address(self, name: str, session: Session) -> int:
        """The gallery that the page's address names; raises GalleryMissing, whether there is another such one or not.

        Args: name: the end of a published address, or the number of one that the session reaches; empty: the demo's.
        """
        published = self.open_link(name, session) if name else self._demo.id
        if published is not None:
            return published
        return self.gallery(int(name) if name.isascii() and name.isdecimal() else None, session).id

    def address_name(self, gallery: GallerySummary) -> str:
        """What names a gallery in the page's address: a number opens it for those only who may see it anyway."""
        return "" if gallery.kind == "demo" else gallery.link or str(gallery.id)

    def open_link(self, link: str, session: Session) -> int | None:
        """The published gallery that an address names, from now on one of the session's."""
        found = published_gallery(self._library, link)
        if found is not None and link not in session.links:
            session.links = (*session.links, link)
        return found

    def make(self, name: str, session: Session) -> int:
        """The session's own gallery of that name, made if there is none; raises NotYours, TooMuch."""
        self._admit(name, session)
        return open_gallery(self._library, name, owner=session.owner)

    def filling(self, name: str, session: Session) -> AbstractContextManager[int]:
        """The same for photos that come now: a gallery that was made for them, and got none, goes again."""
        self._admit(name, session)
        return filling(self._library, name, session.owner)

    @contextmanager
    def turn(self, session: Session) -> Iterator[None]:
        """One request of a visitor; raises TooMuch while as many as are allowed are running.

        Programs without a token are nobody in particular: the queue of each endpoint limits them all together.
        """
        if self._visitors is None or session.owner is None:
            yield
            return
        with self._visitors.turn(session.owner):
            yield

    @contextmanager
    def work(
        self, session: Session, tell: Callable[[Any], object] = lambda _: None
    ) -> Iterator[Callable[[Any], object]]:
        """Long work of a visitor: one at a time, and in line with that of others; raises TooMuch.

        Args and what it yields: as `place_in_line` has them.
        """
        with self.sole_work(session), self.place_in_line(tell) as told:
            yield told

    def sole_work(self, session: Session) -> AbstractContextManager[None]:
        """The one long work that a visitor may have, steps and pauses in all; raises TooMuch where there is one.

        Who has shown no token is known by the address.
        """
        if self._visitors is None:
            return nullcontext()
        return self._visitors.turn(session.owner or asking_address(), work=True)

    @contextmanager
    def place_in_line(self, tell: Callable[[Any], object]) -> Iterator[Callable[[Any], object]]:
        """A place among those who are served at once, waited for.

        Args: tell: told the place in line; what it raises gives the place up.
        Yields: `tell`, for the work to call between its steps: others go first there, where it has had its share.
        """
        visitors = self._visitors
        with self._line.turn(tell, asking_address() if visitors is not None else "") as let_pass:
            began = time.monotonic()

            def told(event: object) -> None:
                tell(event)
                if visitors is not None and time.monotonic() - began > LONGEST:
                    raise TooMuch("This took over two hours and was stopped; what is done stays, and you can go on.")
                let_pass()

            yield told

    @contextmanager
    def place_of_address(self) -> Iterator[None]:
        """One of the few places of an address for what embeds hundreds of texts, waited for; raises TooMuch.

        A visitor's own turn is no bound: whoever likes is as many visitors as they like.
        """
        if self._visitors is None:
            yield
            return
        places = self._places[hash(asking_address()) % len(self._places)]
        if not places.acquire(timeout=PATIENCE):
            raise TooMuch("Too many albums of your address are being sorted; try again in a minute.")
        try:
            yield
        finally:
            places.release()

    def _admit(self, name: str, session: Session) -> None:
        """Raise NotYours, TooMuch where the session may not have a gallery of that name."""
        if self._visitors is not None:
            if session.owner is None:
                raise NotYours("Nobody knows whose photos these are; load the page again.")
            self._visitors.admit(session.owner, name)

    def _may_look_at(self, gallery: GallerySummary, session: Session) -> bool:
        opened = gallery.link is not None and gallery.link in session.links
        return gallery.kind == "demo" or opened or self.owns(gallery, session)


def asking_address() -> str:
    """The address whose event is being handled; empty where it is not known."""
    scope = event_scope()
    return address_of(scope) if scope else ""


def is_public() -> bool:
    """Whether strangers come: $TGEM_PUBLIC says, or else whether another machine can reach the page."""
    said = says_public()
    return not _is_loopback() if said is None else said


def is_local() -> bool:
    """Whether only this machine can reach the page; what reads the server's folders is offered nowhere else."""
    return _is_loopback() and not is_public()


def _is_loopback() -> bool:
    if "SPACE_ID" in os.environ:
        return False
    name = server_name()
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
