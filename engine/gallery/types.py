"""What the use cases give back: photos and how each went through the encoder, hits, and sums over a collection."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from engine.albums.album import Album
from engine.exits.phrases import NearestTexts
from engine.ingest.date_taken import read_date
from engine.ingest.decode import Skipped
from engine.search.ranking import Ranking
from engine.storage.schema import ImageRow

if TYPE_CHECKING:
    from engine.exits.batch import Encoding

Looks = Mapping[int, "Encoding"]  # what ran deeper for one query alone, by photo: the index does not hold it
NO_LOOKS: Looks = MappingProxyType({})


@dataclass(frozen=True)
class IngestReport:
    """What became of the files of one ingest; the time is that of reading, encoding and storing them."""

    added: int
    duplicates: int
    skipped: tuple[Skipped, ...]
    seconds: float
    images_per_second: float  # of those added
    mean_macs_share: float  # of those added; 0 when there are none

    @classmethod
    def of(
        cls, added: int, duplicates: int, skipped: Sequence[Skipped], seconds: float, macs: int, full_macs: int
    ) -> "IngestReport":
        """The report of so many photos.

        Args: macs: that ran for those added.  full_macs: of a full encoding.
        """
        share = macs / (added * full_macs) if added else 0.0
        return cls(added, duplicates, tuple(skipped), seconds, added / seconds, share)


@dataclass(frozen=True)
class Photo:
    """A stored photo and how it went through the encoder."""

    id: int
    collection_id: int
    file: str
    content_hash: str
    width: int
    height: int
    exit: int  # 1..exits, where it left
    exits: int
    macs: int  # spent so far, when indexed and by queries
    macs_share: float  # of the full encoder's: every pass, readout, gate and the bank; what is saved is 1 less this
    milliseconds: float
    gates: np.ndarray  # (R, G) float32: at each gated exit reached, how probably it leaves at each budget of the grid
    nearest_texts: tuple[NearestTexts, ...]  # at each exit reached
    budget: float
    taken_at: datetime | None = None  # on the camera's clock, with its zone where that is known
    source: str | None = None  # where its original lies on this machine; shown to nobody


@dataclass(frozen=True)
class Progress:
    """How far an ingest has come; told after every batch."""

    done: int
    total: int
    latest: tuple[Photo, ...]
    skipped: tuple[Skipped, ...] = ()  # of this batch, as `latest` is


@dataclass(frozen=True)
class Hit:
    """A photo found; photos rank by their scores.

    A score is the cosine to be expected at full depth, for words less a part of the photo's affinity, and a little more
    where it is uncertain.
    """

    rank: int
    score: float
    photo: Photo

    def row(self) -> dict[str, str | int | float | None]:
        """The hit as programs read it, on the command line and over HTTP."""
        photo = self.photo
        return {
            "rank": self.rank,
            "file": photo.file,
            "score": self.score,
            "exit": photo.exit,
            "exits": photo.exits,
            "macs_share": photo.macs_share,
            "taken_at": photo.taken_at.isoformat() if photo.taken_at else None,
        }


@dataclass(frozen=True)
class GallerySummary:
    """A collection in numbers; model and budget are empty until its first photo is in."""

    id: int
    name: str
    kind: str
    photos: int
    waiting: int  # more of them, whose encoding was another model's: found once encoded anew
    by_other_phrases: int  # of its photos, those that left by other phrases: found, and to be encoded anew
    macs_index: int  # spent when its photos were indexed
    macs_queries: int  # spent by queries, on running some deeper
    macs_pictures: int  # and on pictures that were searched with
    macs: int  # all that was spent
    macs_in_full: int  # what its photos would have cost at full depth, with nothing spent on queries
    saved_share: float  # by indexing: 1 - macs_index / macs_in_full; 0 for an empty gallery
    exits: tuple[int, ...]  # photos that left at each exit
    model: str | None
    budget: float | None
    owner: str | None  # a visitor; None where one person has the place to themselves
    link: str | None  # what its published address ends with; None while it is not published
    phrases: tuple[str, ...]  # what people will look for, as its owner has said
    revision: int  # grows whenever photos come or are encoded anew

    @property
    def in_all(self) -> int:
        """All photos of it, those that wait, too."""
        return self.photos + self.waiting


@dataclass(frozen=True)
class Deepened:
    """A photo that was run deeper for a query."""

    photo_id: int
    from_exit: int  # 1-based
    to_exit: int
    rank_before: int | None  # 1-based; None: not on the page
    rank_after: int | None


@dataclass(frozen=True)
class Refinement:
    """The ranking after photos were looked at again, and what that took."""

    hits: list[Hit]
    deepened: tuple[Deepened, ...]
    macs: int
    full_macs: int  # of one full encoding, to measure `macs` in
    seconds: float
    ranking: Ranking | None = None  # of the whole gallery, after that; None for a query that asks nothing
    looks: Looks = field(default_factory=dict)  # empty where the index has taken them in


@dataclass(frozen=True)
class ExitScore:
    """How a photo fits a query, as one exit has it."""

    score: float  # that photos rank by
    cosine: float


@dataclass(frozen=True)
class SortedPhoto:
    """A photo and the album that it fell into, or was moved into."""

    id: int
    file: str
    content_hash: str
    album: str | None  # None: none of them
    probability: float  # of that album, as far as the exit can tell; 1 by hand
    by_hand: bool
    exit: int  # 1-based
    macs_share: float  # of the full encoder's, all that was spent on it

    def row(self) -> dict[str, str | int | float | None]:
        """The photo as programs read it, on the command line and over HTTP."""
        return {
            "photo": self.id,
            "file": self.file,
            "album": self.album,
            "probability": self.probability,
            "exit": self.exit,
            "macs_share": self.macs_share,
        }


@dataclass(frozen=True)
class SortedGallery:
    """A gallery's photos in its albums."""

    albums: tuple[Album, ...]
    photos: tuple[SortedPhoto, ...]  # in the order in which they came
    looked: int  # how many were run deeper for this
    mean_macs_share: float  # of all photos

    def of(self, album: str | None) -> list[SortedPhoto]:
        """The photos of an album, the surest first."""
        return sorted((p for p in self.photos if p.album == album), key=lambda p: (-p.by_hand, -p.probability, p.id))

    def table(self) -> dict[str, object]:
        """The whole as programs read it."""
        return {
            "albums": [{"name": a.name, "photos": sum(p.album == a.name for p in self.photos)} for a in self.albums],
            "none": sum(p.album is None for p in self.photos),
            "photos": [photo.row() for photo in self.photos],
            "mean_macs_share": self.mean_macs_share,
        }


def photo_of(row: ImageRow) -> Photo:
    """A stored photo, as it is shown."""
    encoding, collection = row.encoding, row.collection
    assert collection.exits is not None  # stamped with its first image
    assert collection.full_macs is not None
    macs = encoding.macs_index + encoding.macs_query
    gated = min(encoding.exit, collection.exits - 1)  # exits reached that have a gate: all but the last
    return Photo(
        id=row.id,
        collection_id=row.collection_id,
        file=row.name,
        content_hash=row.content_hash,
        width=row.width,
        height=row.height,
        exit=encoding.exit,
        exits=collection.exits,
        macs=macs,
        macs_share=min(1.0, macs / collection.full_macs),  # full depth costs a little more by more phrases
        milliseconds=encoding.milliseconds,
        gates=np.frombuffer(encoding.gates, np.float32).reshape(gated, -1 if gated else 0),
        nearest_texts=tuple(tuple((text, cosine) for text, cosine in at_exit) for at_exit in encoding.phrases),
        budget=encoding.budget,
        taken_at=read_date(row.taken_at),
        source=row.source,
    )


def with_look(photo: Photo, look: "Encoding | None") -> Photo:
    """A photo as a query has it that ran it deeper; as it is where none did."""
    if look is None or look.exit <= photo.exit:
        return photo
    full_macs = photo.macs / photo.macs_share
    macs = min(photo.macs + look.macs, round(full_macs))
    return replace(
        photo,
        exit=look.exit,
        macs=macs,
        macs_share=macs / full_macs,
        milliseconds=photo.milliseconds + look.milliseconds,
        gates=np.concatenate([photo.gates[: look.start], look.gates]),
        nearest_texts=(*photo.nearest_texts[: look.start], *look.nearest_texts),
    )
