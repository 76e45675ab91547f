"""What every handler stands on: the engine, who may see what, and how an encoder is drawn."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from app.access import FORGOTTEN, Access
from app.attribution import Attribution
from app.curve import Curve, curve_of
from app.demo import Demo
from app.event_log import EventLog
from app.pictures import PictureAddress
from app.session import Session, Work
from app.uploading.inbox import Inbox
from app.views import placeholders
from app.views.strip import Drawing
from app.wide_words import WideWords
from app.work import Listing, Running, Waiting, start_work
from engine.gallery import (
    Comparison,
    GallerySummary,
    HostProblem,
    IngestReport,
    Library,
    Measured,
    ModelChanged,
    Photo,
    Progress,
    Upload,
    Visitors,
    ingest_files,
    shipped_race,
)

STEP = 0.05  # seconds between two looks whether something is over
TROUBLE = "Something is wrong on the machine that serves this page; try again later."


@dataclass
class Services:
    """The parts of one running page."""

    library: Library
    comparison: Comparison
    demo: Demo
    address: PictureAddress
    visitors: Visitors | None = None  # where strangers come
    event_log: EventLog = field(default_factory=EventLog)
    inbox: Inbox = field(default_factory=Inbox)

    def __post_init__(self) -> None:
        self.access = Access(self.library, self.demo, self.visitors)
        self.wide_words = WideWords(self.library)

    def ingest(
        self,
        gallery: int,
        listing: Iterable[list[Upload]],
        session: Session,
        tell: Callable[[Progress | Waiting | Listing], object] = lambda _: None,
    ) -> IngestReport:
        """Take photos into a visitor's gallery, in line and within limits, as part of their sole work; raises TooMuch.

        Args:
            listing: the photos of one file after the other; to list them is a part of the work.
            tell: told the place in line, and how far it is; what it raises stops it.
        """
        with self.access.place_in_line(tell) as tell, self.event_log.timed("ingest") as counts:
            uploads: list[Upload] = []
            for found in listing:
                uploads += found
                tell(Listing())
            if self.visitors is not None and session.owner is not None:
                uploads = self.visitors.within(session.owner, gallery, uploads)
            report = ingest_files(self.library, gallery, uploads, on_progress=tell)
            counts.update(added=report.added, skipped=len(report.skipped))
        return report

    def begin(self, kind: Work, session: Session, work: Callable[[Callable[[Any], None]], Any]) -> Iterator[Any]:
        """Start some work that the session can stop; its events, as `start_work` gives them."""
        running, events = start_work(work)
        session.works[kind] = [*self._going_on(kind, session), running]
        return events

    def begin_instead(
        self, kind: Work, session: Session, work: Callable[[Callable[[Any], None]], Any]
    ) -> Iterator[Any]:
        """The same once all that goes on of the kind has stopped, which is asked to."""
        self.stop(kind, session)
        before = self._going_on(kind, session)

        def follow(tell: Callable[[Any], None]) -> Any:
            while not all(one.over.is_set() for one in before):
                tell(Waiting(1))  # raises Stopped where this is no longer wanted either
                time.sleep(STEP)
            return work(tell)

        return self.begin(kind, session, follow)

    def stop(self, kind: Work, session: Session) -> None:
        """Stop all that goes on of a kind for the session."""
        for one in session.works.get(kind, ()):
            one.stop.set()

    def share_work(self, kind: Work, session: Session, other: Session) -> None:
        """Let another session stop what goes on of a kind for one, as its own."""
        other.works[kind] = [*self._going_on(kind, other), *self._going_on(kind, session)]

    def goes_on(self, kind: Work, session: Session) -> bool:
        """Whether there is something of a kind to stop: more than one can be on its way, and one may be refused."""
        return bool(self._going_on(kind, session))

    def _going_on(self, kind: Work, session: Session) -> list[Running]:
        return [one for one in session.works.get(kind, ()) if not one.over.is_set()]

    def sentence(self, error: Exception) -> str:
        """What a visitor is told of an error: a stranger nothing of this machine, whose keeper is told instead."""
        if self.visitors is None or not isinstance(error, HostProblem | OSError):
            return str(error)
        sys.stderr.write(f"{error}\n")
        return TROUBLE

    def problem(self, error: Exception, session: Session | None = None) -> str:
        """The same as a part of the page.

        Args: session: whose gallery on show it is of, which may be another's; None: it is of one of their own.
        """
        if isinstance(error, ModelChanged):  # whose sentence names versions, for who runs the place
            may_encode = session is None or self.access.may_spend_on_show(session)
            again = placeholders.ENCODE_AGAIN if may_encode else placeholders.ASK_OWNER
            return placeholders.note(placeholders.EARLIER_MODEL, again)
        sentence = self.sentence(error)
        return placeholders.problem(sentence, reload=sentence == FORGOTTEN)

    def empty(self, gallery: GallerySummary, session: Session) -> str:
        """A gallery in which no photo can be found, as a part of the page."""
        if gallery.waiting:
            return placeholders.unencoded(gallery.waiting, self.access.may_spend(gallery, session))
        return placeholders.EMPTY_GALLERY

    @property
    def drawing(self) -> Drawing:
        """The present encoder as it is drawn; the first call loads it."""
        encoder = self.library.encoder
        return Drawing(encoder.stages, encoder.full_macs, encoder.scorer.usual_affinity)

    @property
    def curve(self) -> Curve | None:
        """Quality against compute of the present model, where somebody measured it."""
        return curve_of(self.library.encoder.identity.model)

    def measured(self, gallery: GallerySummary) -> Measured | None:
        """The last race over a gallery: this machine's, or for the demo gallery what ships with the same model."""
        last = self.comparison.last(gallery.id)
        if last is not None:
            return Measured(last)
        shipped = shipped_race()
        fits = gallery.kind == "demo" and gallery.photos and shipped.weights == self.library.encoder.identity.weights
        return shipped.measured if fits else None

    def credit(self, photo: Photo) -> Attribution | None:
        """Whose photo it is, where it is one of the demo gallery's."""
        return self.demo.credits.get(photo.file) if photo.collection_id in self.demo.ids else None
