"""What is kept: collections, images and encodings in the database, and a picture file for each image.

The database is the truth, and only this module changes it. Each call is one short session; each change is one
transaction, which holds its collection's row from the start: changes of one collection come one after another, whatever
process they come from.
"""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import BigInteger, Engine, and_, cast, delete, func, or_, select, update
from sqlalchemy.orm import Session

from engine.exits.phrases import Phrases
from engine.storage.database import Turn, connect, database_url, for_writing, in_a_sentence, migrate, take_turn
from engine.storage.feature_map_files import KeptMaps
from engine.storage.picture_files import KeptPictures
from engine.storage.schema import (
    Base,
    CollectionRow,
    EncodingRow,
    FeatureMapRow,
    GalleryMissing,
    ImageRow,
    Kind,
    ModelChanged,
    ModelStamp,
    NameTaken,
    PhotoMissing,
    RaceRow,
    Totals,
    VisitorRow,
)
from engine.utils.data_dir import home

__all__ = [
    "Base",
    "Candidate",
    "Changes",
    "CollectionRow",
    "Deeper",
    "EncodingRow",
    "GalleryMissing",
    "ImageRow",
    "Kind",
    "ModelChanged",
    "ModelStamp",
    "NameTaken",
    "PhotoMissing",
    "RaceRow",
    "Store",
    "Totals",
]


SWEEP_SECONDS = 3600.0  # between two looks for files that a sudden death has left behind

# The model's two hashes, the revision, and how many images there are.
State = tuple[str | None, str | None, int, int]


@dataclass(frozen=True)
class Changes:
    """Images that came or were encoded anew, in order of revision."""

    revisions: np.ndarray  # (N,) int64
    ids: np.ndarray  # (N,) int64
    exits: np.ndarray  # (N,) int64, 1-based
    vectors: np.ndarray  # (N, D) float32; (0, 0) when there are none


@dataclass(frozen=True)
class Candidate:
    """Where an image stands."""

    image_id: int
    content_hash: str
    exit: int  # 1-based
    vector: bytes  # float32
    map: str | None  # file of the feature map that it left that exit with, where one is kept


@dataclass(frozen=True)
class Deeper:
    """A deeper encoding of an image, and what it took."""

    image_id: int
    exit: int  # 1-based, where it left at last
    vector: bytes  # float32, unit length
    phrases: Mapping[int, Phrases]  # of the exits (1-based) it was described at
    macs: int
    milliseconds: float
    map: bytes | None  # the feature map that it left with, where there is one


class Store:
    """The database and the picture files of one data folder; safe to use from many threads and processes."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._reading = engine
        self._writing = for_writing(engine)
        self._pictures = KeptPictures(folder / "pictures")
        self._maps = KeptMaps(folder / "maps")
        self._swept = -SWEEP_SECONDS
        self._totals: dict[int, tuple[State, Totals]] = {}  # a sum over a large collection takes a while

    @classmethod
    def open(cls, folder: Path | None = None) -> "Store":
        """The store of a data folder (by default `home()`), its tables brought up to date.

        Raises: HomeUnwritable, NewerDatabase, StoreUnusable.
        """
        folder = folder or home()
        engine = connect(database_url(folder))
        migrate(engine)
        return cls(engine, folder)

    def close(self) -> None:
        """Let go of the database."""
        self._reading.dispose()

    @property
    def vector_search(self) -> Engine | None:
        """The database, where it can search vectors itself."""
        return self._reading if self._reading.dialect.name == "postgresql" else None

    # Collections

    def open_collection(self, name: str, kind: Kind, owner: str | None) -> int:
        """The id of the collection of that name, kind and owner, made if there is none."""
        with self._write("names") as session:
            wanted = select(CollectionRow.id).where(
                CollectionRow.name == name, CollectionRow.kind == kind, CollectionRow.owner.is_not_distinct_from(owner)
            )
            if (found := session.scalar(wanted)) is not None:
                return found
            row = CollectionRow(name=name, kind=kind, owner=owner, created_at=time.time())
            session.add(row)
            session.flush()
            return row.id

    def collection(self, collection_id: int) -> CollectionRow:
        """One collection; raises GalleryMissing."""
        with self._read() as session:
            return _collection(session, collection_id)

    def collections(self, kind: Kind | None = None, owner: str | None = None) -> list[CollectionRow]:
        """All collections (of a kind, of an owner): the one indexed last first."""
        rows = select(CollectionRow).order_by(CollectionRow.indexed_at.desc().nulls_last(), CollectionRow.id.desc())
        if kind is not None:
            rows = rows.where(CollectionRow.kind == kind)
        if owner is not None:
            rows = rows.where(CollectionRow.owner == owner)
        with self._read() as session:
            return list(session.scalars(rows))

    def touch(self, collection_id: int) -> None:
        """Note that a collection is being indexed now; raises GalleryMissing."""
        with self._write() as session:
            _held(session, collection_id).indexed_at = time.time()

    def remove(self, collection_id: int) -> None:
        """Delete a collection, its images, and the pictures that no other one uses; raises GalleryMissing."""
        of_collection = select(ImageRow.content_hash).where(ImageRow.collection_id == collection_id)
        with self._write() as session:
            _held(session, collection_id)
            hashes = set(session.scalars(of_collection))
            maps = self._maps.files(session, collection_id)
            note = self._pictures.doubt(hashes)
            session.execute(delete(CollectionRow).where(CollectionRow.id == collection_id))
        self._totals.pop(collection_id, None)
        self._drop_pictures(hashes, note)
        self._tidy(maps)

    def rename(self, collection_id: int, name: str) -> None:
        """Give a collection another name; raises GalleryMissing, NameTaken."""
        with self._write("names") as session:
            row = _held(session, collection_id)
            others = select(CollectionRow.id).where(
                CollectionRow.name == name,
                CollectionRow.kind == row.kind,
                CollectionRow.owner.is_not_distinct_from(row.owner),
                CollectionRow.id != collection_id,
            )
            if session.scalar(others) is not None:
                raise NameTaken(f'There is a gallery "{name}" already; choose another name.')
            row.name = name

    def set_link(self, collection_id: int, link: str | None) -> None:
        """Publish a collection under a link, or under none any more; raises GalleryMissing."""
        with self._write() as session:
            _held(session, collection_id).link = link

    def linked(self, link: str) -> CollectionRow | None:
        """The collection that is published under a link."""
        with self._read() as session:
            return session.scalar(select(CollectionRow).where(CollectionRow.link == link))

    def spend(self, collection_id: int, on_photos: int = 0, on_pictures: int = 0) -> None:
        """Add MACs of a query to a collection's account; raises GalleryMissing.

        Args: on_photos: for scoring its photos.  on_pictures: for a picture that came with the query.
        """
        with self._write() as session:
            collection = _held(session, collection_id)
            collection.macs_queries += on_photos
            collection.macs_pictures += on_pictures

    def totals(self, collection_id: int) -> Totals:
        """Sums over the images of a collection; zeros for one that is empty or not there."""
        macs = cast(func.sum(EncodingRow.macs_index), BigInteger)  # PostgreSQL's sum is a decimal number
        rows = (
            select(EncodingRow.exit, func.count(), macs)
            .where(EncodingRow.collection_id == collection_id)
            .group_by(EncodingRow.exit)
        )
        with self._read() as session:
            state = _state(session, collection_id)
            known, totals = self._totals.get(collection_id, (None, None))
            if totals is not None and known == state:
                return totals
            counted = session.execute(rows).all()
        photos = sum(photos for _, photos, _ in counted)
        totals = Totals(
            photos=photos,
            macs_index=sum(macs for *_, macs in counted),
            exits={exit: photos for exit, photos, _ in counted},
            waiting=state[-1] - photos,
        )
        self._totals[collection_id] = (state, totals)
        return totals

    # Visitors

    def see(self, owner: str, now: float) -> None:
        """Note that a visitor is here now."""
        with self._write("visitors") as session:
            session.merge(VisitorRow(owner=owner, seen_at=now))

    def unseen(self, before: float) -> list[str]:
        """The visitors who came last before a time."""
        with self._read() as session:
            return list(session.scalars(select(VisitorRow.owner).where(VisitorRow.seen_at < before)))

    def forget(self, owner: str, before: float) -> None:
        """Delete a visitor, unless they have come again since a time."""
        with self._write() as session:
            session.execute(delete(VisitorRow).where(VisitorRow.owner == owner, VisitorRow.seen_at < before))

    def usage(self, owner: str) -> tuple[int, int]:
        """How many photos an owner keeps in all their collections, and the bytes of their files as they came."""
        kept = (
            select(func.count(), func.coalesce(func.sum(ImageRow.bytes), 0))
            .join(CollectionRow, CollectionRow.id == ImageRow.collection_id)
            .where(CollectionRow.owner == owner)
        )
        with self._read() as session:
            photos, size = session.execute(kept).one()
        return photos, size

    # Races

    def add_race(self, race: RaceRow) -> None:
        """Keep a race; one whose collection has gone meanwhile is dropped."""
        with self._write() as session:
            if session.get(CollectionRow, race.collection_id, with_for_update=True) is not None:
                session.add(race)

    def last_race(self, collection_id: int) -> RaceRow | None:
        """The latest race over photos of a collection."""
        races = select(RaceRow).where(RaceRow.collection_id == collection_id).order_by(RaceRow.at.desc()).limit(1)
        with self._read() as session:
            return session.scalar(races)

    # Images

    def has_image(self, collection_id: int, content_hash: str) -> bool:
        """Whether the collection holds an image made of exactly these bytes."""
        wanted = select(ImageRow.id).where(
            ImageRow.collection_id == collection_id, ImageRow.content_hash == content_hash
        )
        with self._read() as session:
            return session.scalar(wanted) is not None

    def content_hashes(self, collection_id: int) -> list[str]:
        """The content hashes of all images of a collection, in no order."""
        with self._read() as session:
            return list(session.scalars(select(ImageRow.content_hash).where(ImageRow.collection_id == collection_id)))

    def add(
        self,
        collection_id: int,
        stamp: ModelStamp,
        images: Sequence[ImageRow],
        pictures: Mapping[str, bytes],
        maps: Mapping[str, bytes],
    ) -> list[ImageRow]:
        """Keep a batch of encoded images in one transaction: all of it, or none.

        Args:
            stamp: what encoded them; the collection's own from its first image on.
            images: rows with their encodings; the collection is filled in here.
            pictures: the file to keep for each image, by content hash.
            maps: the feature map to keep for those that have one, by content hash.
        Returns: the rows that are new, with their ids; images that came in meanwhile by another way are left out.
        Raises: GalleryMissing, ModelChanged, StoreUnusable.
        """
        with self._write() as session:
            collection = _held(session, collection_id)
            collection.require(stamp)
            hashes = [image.content_hash for image in images]
            known = set(
                session.scalars(
                    select(ImageRow.content_hash).where(
                        ImageRow.collection_id == collection_id, ImageRow.content_hash.in_(hashes)
                    )
                )
            )
            fresh = [image for image in images if image.content_hash not in known]
            if not fresh:
                return []
            collection.stamp(stamp)
            collection.budget = fresh[-1].encoding.budget
            take_turn(session.connection(), "pictures", shared=True)
            note = self._pictures.doubt(image.content_hash for image in fresh)
            for image in fresh:
                self._pictures.keep(image.content_hash, pictures[image.content_hash])
                image.collection = collection
                image.encoding.collection_id, image.encoding.model = collection.id, stamp.key
                image.revision = collection.next_revision()
                session.add(image)
            session.flush()
            for image in fresh:
                self._maps.put(session, image.id, image.encoding.exit, maps.get(image.content_hash))
            lost = self._maps.trim(session)
        note.unlink(missing_ok=True)
        self._tidy(lost)
        return fresh

    def deepen(
        self,
        collection_id: int,
        stamp: ModelStamp,
        found: Sequence[Deeper],
        candidates: Sequence[int] | None = None,
        deciding: int = 0,
    ) -> None:
        """Put deeper encodings in the place of those before, in one transaction.

        What was spent is counted even where another query has meanwhile gone as deep; that encoding stays then.

        Args:
            candidates: images whose places a query asked about; None: no query did.
            deciding: MACs of reading those candidates.
        Raises: GalleryMissing, ModelChanged.
        """
        lost: list[str] = []
        with self._write() as session:
            collection = _held(session, collection_id)
            collection.require(stamp)
            collection.macs_queries += deciding
            for deeper in found:
                collection.macs_queries += deeper.macs
                image = session.get(ImageRow, deeper.image_id)
                if image is None:  # deleted meanwhile
                    continue
                row = image.encoding
                row.macs_query += deeper.macs
                row.milliseconds += deeper.milliseconds
                if row.exit < deeper.exit:
                    _deepen(row, deeper, stamp.exits)
                    image.revision = collection.next_revision()
                    lost += self._maps.put(session, image.id, deeper.exit, deeper.map)
            if candidates is not None:
                collection.queries += 1
                self._maps.use(session, candidates)
            lost += self._maps.trim(session)
        self._tidy(lost)

    def restamp(
        self, collection_id: int, stamp: ModelStamp, guide_texts: Sequence[str] | None, guides_only: bool
    ) -> None:
        """Make a collection another model's: encodings of the one before go, and its images wait for theirs.

        Raises: GalleryMissing.
        """
        with self._write() as session:
            collection = _held(session, collection_id)
            collection.guide_texts, collection.guides_only = (
                None if guide_texts is None else list(guide_texts),
                guides_only,
            )
            if (collection.weights_hash, collection.exits_hash) == (stamp.weights_hash, stamp.exits_hash):
                return
            maps = self._maps.files(session, collection_id)
            of_collection = select(ImageRow.id).where(ImageRow.collection_id == collection_id)
            for table in (FeatureMapRow, EncodingRow):
                session.execute(delete(table).where(table.image_id.in_(of_collection)))
            if collection.model is not None:
                collection.stamp(stamp)
            collection.queries = collection.macs_queries = collection.macs_pictures = 0
        self._tidy(maps)

    def to_recode(self, collection_id: int, budget: float) -> list[tuple[int, str]]:
        """(id, content hash) of the images that have no encoding, or one for another budget; in order of id."""
        wanted = (
            select(ImageRow.id, ImageRow.content_hash)
            .outerjoin(EncodingRow, EncodingRow.image_id == ImageRow.id)
            .where(ImageRow.collection_id == collection_id)
            .where(or_(EncodingRow.budget.is_(None), EncodingRow.budget != budget))
            .order_by(ImageRow.id)
        )
        with self._read() as session:
            return [(image_id, content_hash) for image_id, content_hash in session.execute(wanted)]

    def names(self, image_ids: Sequence[int]) -> list[str]:
        """Names of images, whether they have an encoding or not; those that are not there are left out."""
        with self._read() as session:
            return list(session.scalars(select(ImageRow.name).where(ImageRow.id.in_(image_ids)).order_by(ImageRow.id)))

    def recode(
        self,
        collection_id: int,
        stamp: ModelStamp,
        encodings: Mapping[int, EncodingRow],
        maps: Mapping[int, bytes],
    ) -> list[ImageRow]:
        """Give images new encodings in one transaction, by id; returns those that are still there.

        What queries spent on the encodings before is no longer counted: the account is that of those that stand.
        Raises: GalleryMissing, ModelChanged.
        """
        lost: list[str] = []
        with self._write() as session:
            collection = _held(session, collection_id)
            collection.require(stamp)
            collection.stamp(stamp)
            there = set(session.scalars(select(ImageRow.id).where(ImageRow.id.in_(encodings))))
            for image_id in sorted(there):
                before = session.get(EncodingRow, image_id)
                if before is not None:
                    collection.macs_queries -= before.macs_query
                    session.delete(before)
                    session.flush()
                row = encodings[image_id]
                row.image_id, row.collection_id, row.model = image_id, collection.id, stamp.key
                session.add(row)
                collection.budget = row.budget
                revised = update(ImageRow).where(ImageRow.id == image_id).values(revision=collection.next_revision())
                session.execute(revised)
                lost += self._maps.put(session, image_id, row.exit, maps.get(image_id))
            lost += self._maps.trim(session)
        self._tidy(lost)
        return self.images(sorted(there))

    def candidates(self, image_ids: Sequence[int]) -> list[Candidate]:
        """Where images stand, in the order of the ids asked for; those that are not there are left out."""
        wanted = (
            select(
                ImageRow.id,
                ImageRow.content_hash,
                EncodingRow.exit,
                EncodingRow.vector,
                FeatureMapRow.file,
            )
            .join(EncodingRow, EncodingRow.image_id == ImageRow.id)
            .outerjoin(
                FeatureMapRow,
                and_(FeatureMapRow.image_id == ImageRow.id, FeatureMapRow.exit == EncodingRow.exit),
            )
            .where(ImageRow.id.in_(image_ids))
        )
        with self._read() as session:
            found = {row[0]: Candidate(*row) for row in session.execute(wanted)}
        return [found[image_id] for image_id in image_ids if image_id in found]

    def kept_map(self, file: str) -> bytes | None:
        """A candidate's feature map; None where it is gone."""
        return self._maps.read(file)

    def image(self, image_id: int) -> ImageRow:
        """One image with its encoding and collection; raises PhotoMissing."""
        found = self.images([image_id])
        if not found:
            raise PhotoMissing(f"There is no photo number {image_id} any more; search again.")
        return found[0]

    def images(self, image_ids: Sequence[int]) -> list[ImageRow]:
        """Images in the order of the ids asked for; those that are not there are left out."""
        with self._read() as session:
            rows = {row.id: row for row in session.scalars(select(ImageRow).where(ImageRow.id.in_(image_ids)))}
        return [rows[image_id] for image_id in image_ids if image_id in rows]

    def page(self, collection_id: int, offset: int, limit: int) -> list[ImageRow]:
        """A collection's images in the order in which they came."""
        rows = select(ImageRow).where(ImageRow.collection_id == collection_id).order_by(ImageRow.id)
        with self._read() as session:
            return list(session.scalars(rows.offset(offset).limit(limit)))

    def remove_images(self, collection_id: int, image_ids: Sequence[int]) -> int:
        """Delete images of a collection, and the pictures that no other one uses; returns how many there were.

        What queries spent on them is no longer counted, as what indexing did is not.
        """
        wanted = (ImageRow.collection_id == collection_id, ImageRow.id.in_(image_ids))
        with self._write() as session:
            collection = session.get(CollectionRow, collection_id, with_for_update=True)
            if collection is not None:
                spent = cast(func.sum(EncodingRow.macs_query), BigInteger)
                of_them = select(spent).join(ImageRow, ImageRow.id == EncodingRow.image_id).where(*wanted)
                collection.macs_queries -= session.scalar(of_them) or 0
            hashes = list(session.scalars(select(ImageRow.content_hash).where(*wanted)))
            maps = self._maps.files(session, collection_id, image_ids)
            note = self._pictures.doubt(hashes)
            session.execute(delete(ImageRow).where(*wanted))
        self._drop_pictures(hashes, note)
        self._tidy(maps)
        return len(hashes)

    def at_exit(self, collection_id: int, exit: int, limit: int) -> list[ImageRow]:
        """Images of a collection that left at an exit, in the order in which they came."""
        rows = (
            select(ImageRow)
            .join(EncodingRow, EncodingRow.image_id == ImageRow.id)
            .where(ImageRow.collection_id == collection_id, EncodingRow.exit == exit)
            .order_by(ImageRow.id)
            .limit(limit)
        )
        with self._read() as session:
            return list(session.scalars(rows))

    def changes(self, collection_id: int, after: int, limit: int) -> Changes:
        """The images of a collection that came or were encoded anew after a revision, in order of revision."""
        wanted = (
            select(ImageRow.revision, ImageRow.id, EncodingRow.exit, EncodingRow.vector)
            .join(EncodingRow, EncodingRow.image_id == ImageRow.id)
            .where(ImageRow.collection_id == collection_id, ImageRow.revision > after)
            .order_by(ImageRow.revision)
            .limit(limit)
        )
        with self._read() as session:
            rows = session.execute(wanted).all()
        revisions, ids, exits = (np.array([row[column] for row in rows], np.int64) for column in range(3))
        vectors = np.frombuffer(b"".join(row[3] for row in rows), np.float32)
        return Changes(revisions, ids, exits, vectors.reshape(len(rows), -1 if rows else 0))

    # Pictures

    def picture_path(self, content_hash: str) -> Path:
        """Where the picture of an image is kept: upright RGB, at most 768 px, JPEG without metadata."""
        return self._pictures.path(content_hash)

    def _drop_pictures(self, hashes: Collection[str], note: Path) -> None:
        """Delete the pictures among these that no image uses any more, and the note of them."""
        # After the commit, so that no row ever lacks its file; in a turn of its own, so that no `add` comes in between.
        with self._write("pictures") as session:
            self._pictures.drop(session, hashes)
        note.unlink(missing_ok=True)

    def _tidy(self, maps: Sequence[str]) -> None:
        """After a commit, delete the feature maps that have lost their rows; now and then, sweep."""
        self._maps.unlink(maps)
        if time.monotonic() - self._swept >= SWEEP_SECONDS:
            self._swept = time.monotonic()
            self._sweep()

    def _sweep(self) -> None:
        """Delete what a sudden death has left: pictures and feature maps without a row, and parts of files."""
        with self._read() as session:
            self._maps.sweep(session)
        self._pictures.sweep()
        for note, hashes in self._pictures.doubted():
            self._drop_pictures(hashes, note)

    # Sessions

    @contextmanager
    def _read(self) -> Iterator[Session]:
        with in_a_sentence(self._reading), Session(self._reading) as session:
            yield session

    @contextmanager
    def _write(self, turn: Turn | None = None) -> Iterator[Session]:
        # Rows stay readable after the commit, when they are handed out.
        with in_a_sentence(self._reading), Session(self._writing, expire_on_commit=False) as session, session.begin():
            if turn is not None:
                take_turn(session.connection(), turn)
            yield session


def _deepen(row: EncodingRow, deeper: Deeper, exits: int) -> None:
    """Put a deeper encoding in an older one's place; of the exits on the way, what was not asked is not known."""
    gated = min(row.exit, exits - 1)
    values = np.frombuffer(row.gates, np.float32).reshape(gated, -1)
    passed = np.full((min(deeper.exit, exits - 1) - gated, values.shape[1]), np.nan, np.float32)
    row.gates = np.concatenate([values, passed]).tobytes()
    seen = dict(enumerate(row.phrases, start=1)) | {exit: list(texts) for exit, texts in deeper.phrases.items()}
    row.phrases = [seen.get(exit, []) for exit in range(1, deeper.exit + 1)]
    row.vector, row.exit = deeper.vector, deeper.exit


def _state(session: Session, collection_id: int) -> State:
    row = session.get(CollectionRow, collection_id)
    images = select(func.count()).select_from(ImageRow).where(ImageRow.collection_id == collection_id)
    model = (row.weights_hash, row.exits_hash, row.revision) if row is not None else (None, None, 0)
    return *model, session.scalar(images) or 0


def _held(session: Session, collection_id: int) -> CollectionRow:
    """A collection that no other transaction changes before this one ends."""
    return _collection(session, collection_id, hold=True)


def _collection(session: Session, collection_id: int, hold: bool = False) -> CollectionRow:
    row = session.get(CollectionRow, collection_id, with_for_update=True if hold else None)
    if row is None:
        raise GalleryMissing(f"There is no gallery number {collection_id} any more; choose another one.")
    return row
