"""Collections: named sets of images, each with its model, its budget and its compute account."""

import math
import time
import unicodedata
from collections.abc import Sequence
from operator import attrgetter
from threading import Lock

from cachetools import LRUCache, cachedmethod
from sqlalchemy import BigInteger, Select, cast, delete, func, select
from sqlalchemy.orm import Session

from engine.storage.cleanup import drop_collection, drop_pictures, tidy
from engine.storage.database import Database
from engine.storage.schema import (
    GONE,
    CollectionRow,
    EncodingRow,
    FeatureMapRow,
    GalleryMissing,
    ImageRow,
    Kind,
    ModelStamp,
    NameTaken,
    RaceRow,
    Totals,
    model_key,
)

TOTALS_KEPT = 1000  # sums that stay in memory

# The model's two hashes and precision, the revision, and how many images there are.
State = tuple[str | None, str | None, str | None, int, int]


def open_collection(database: Database, name: str, kind: Kind, owner: str | None) -> int:
    """The id of the collection of that name, kind and owner, made if there is none; raises NameTaken."""
    with database.write("names") as session:
        if (found := session.scalar(_called(name, kind, owner))) is not None:
            return found
        _require_free(session, name, kind)
        row = CollectionRow(name=_composed(name), kind=kind, owner=owner, created_at=time.time())
        session.add(row)
        session.flush()
        return row.id


def find_collection(database: Database, name: str, kind: Kind, owner: str | None) -> int | None:
    """The id of the collection of that name, kind and owner; None where there is none."""
    with database.read() as session:
        return session.scalar(_called(name, kind, owner))


def _require_free(session: Session, name: str, kind: str) -> None:
    """Raise NameTaken where a gallery is to be called as the demo's is: whoever asks for that means the demo's."""
    if kind != "demo" and session.scalar(_called(name, "demo", None)) is not None:
        raise NameTaken(f'"{name}" is the demo’s own; choose another name.')


def get_collection(database: Database, collection_id: int) -> CollectionRow:
    """One collection; raises GalleryMissing."""
    with database.read() as session:
        return _find(session, collection_id)


def list_collections(database: Database, kind: Kind | None = None, owner: str | None = None) -> list[CollectionRow]:
    """All collections (of a kind, of an owner): the one indexed last first."""
    rows = select(CollectionRow).order_by(CollectionRow.indexed_at.desc().nulls_last(), CollectionRow.id.desc())
    rows = rows.where(CollectionRow.kind == kind if kind is not None else CollectionRow.kind != GONE)
    if owner is not None:
        rows = rows.where(CollectionRow.owner == owner)
    with database.read() as session:
        return list(session.scalars(rows))


def mark_indexed(database: Database, collection_id: int) -> None:
    """Note that a collection is being indexed now: after all others, wherever the clock is; raises GalleryMissing."""
    with database.write() as session:
        row = hold(session, collection_id)
        last = session.scalar(select(func.max(CollectionRow.indexed_at))) or 0.0
        row.indexed_at = max(time.time(), math.nextafter(last, math.inf))


def rename_collection(database: Database, collection_id: int, name: str) -> None:
    """Give a collection another name; raises GalleryMissing, NameTaken."""
    name = _composed(name)
    with database.write("names") as session:
        row = hold(session, collection_id)
        _require_free(session, name, row.kind)
        if session.scalar(_called(name, row.kind, row.owner)) not in (None, collection_id):
            raise NameTaken(f'There is a gallery "{name}" already; choose another name.')
        row.name = name


def set_link(database: Database, collection_id: int, link: str | None) -> None:
    """Publish a collection under a link, or under none any more; raises GalleryMissing."""
    with database.write() as session:
        hold(session, collection_id).link = link


def linked_collection(database: Database, link: str) -> CollectionRow | None:
    """The collection that is published under a link."""
    with database.read() as session:
        return session.scalar(select(CollectionRow).where(CollectionRow.link == link))


def add_macs(database: Database, collection_id: int, queries: int = 0, pictures: int = 0) -> None:
    """Add MACs that queries ran, and pictures that came with them, to a collection's account; raises GalleryMissing."""
    with database.write() as session:
        row = hold(session, collection_id)
        row.macs_queries, row.macs_pictures = row.macs_queries + queries, row.macs_pictures + pictures


def look_for(database: Database, collection_id: int, stamp: ModelStamp, phrases: Sequence[str]) -> None:
    """Have gates go by other phrases: encodings stay, and are found, until each image is encoded anew.

    Args: stamp: of the collection's model, with these phrases.
    Raises: GalleryMissing.
    """
    with database.write() as session:
        collection = hold(session, collection_id)
        collection.phrases = list(phrases) or None
        if collection.model is not None and not collection.has_model(stamp):
            session.execute(delete(RaceRow).where(RaceRow.collection_id == collection_id))
            collection.stamp(stamp)


def restamp(database: Database, collection_id: int, stamp: ModelStamp, phrases: Sequence[str]) -> None:
    """Make a collection another model's: encodings and races of the one before go, and its images wait for theirs.

    Raises: GalleryMissing.
    """
    with database.write() as session:
        collection = hold(session, collection_id)
        collection.phrases = list(phrases) or None
        if collection.has_model(stamp):
            return
        maps = database.maps.files(session, collection_id)
        of_collection = select(ImageRow.id).where(ImageRow.collection_id == collection_id)
        collection.next_revision()
        for table in (FeatureMapRow, EncodingRow):
            session.execute(delete(table).where(table.image_id.in_(of_collection)))
        session.execute(delete(RaceRow).where(RaceRow.collection_id == collection_id))
        if collection.model is not None:
            collection.stamp(stamp)
        collection.queries = collection.macs_queries = collection.macs_pictures = 0
    tidy(database, maps)


def delete_collection(database: Database, collection_id: int) -> None:
    """Delete a collection, its images, and the pictures that no other one uses; raises GalleryMissing.

    It is gone for all others at once, and what it held goes part by part: SQLite has one writer, and others wait.
    """
    of_collection = select(ImageRow.content_hash).where(ImageRow.collection_id == collection_id)
    database.spare_room.give_up()
    with database.write() as session:
        row = hold(session, collection_id)
        hashes = set(session.scalars(of_collection))
        maps = database.maps.files(session, collection_id)
        note = database.pictures.write_note(hashes)
        row.kind, row.owner, row.link = GONE, None, None
    drop_collection(database, collection_id)
    drop_pictures(database, hashes, note)
    tidy(database, maps)


def delete_if_empty(database: Database, collection_id: int) -> bool:
    """Delete a collection that has no images; returns whether there was one."""
    images = select(ImageRow.id).where(ImageRow.collection_id == collection_id).exists()
    with database.write() as session:
        gone = delete(CollectionRow).where(CollectionRow.id == collection_id, ~images).returning(CollectionRow.id)
        return session.scalar(gone) is not None


def add_race(database: Database, race: RaceRow) -> None:
    """Keep a race; one whose collection has gone meanwhile is dropped."""
    with database.write() as session:
        if session.get(CollectionRow, race.collection_id, with_for_update=True) is not None:
            session.add(race)


def last_race(database: Database, collection_id: int) -> RaceRow | None:
    """The latest race over photos of a collection."""
    races = select(RaceRow).where(RaceRow.collection_id == collection_id).order_by(RaceRow.at.desc()).limit(1)
    with database.read() as session:
        return session.scalar(races)


class TotalsCache:
    """Sums over collections, counted again once a collection's state has changed; safe to use from many threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: LRUCache[tuple[int, State], Totals] = LRUCache(TOTALS_KEPT)
        self._lock = Lock()

    def of(self, row: CollectionRow) -> Totals:
        """Sums over the images of a collection; zeros for an empty one; of what is left of one being deleted."""
        images = select(func.count()).select_from(ImageRow).where(ImageRow.collection_id == row.id)
        with self._database.read() as session:
            state = row.weights_hash, row.exits_hash, row.precision, row.revision, session.scalar(images) or 0
            return self._count(session, row.id, state)

    @cachedmethod(attrgetter("_kept"), lambda self, session, *counted: counted, attrgetter("_lock"))
    def _count(self, session: Session, collection_id: int, state: State) -> Totals:
        macs = cast(func.sum(EncodingRow.macs_index), BigInteger)  # PostgreSQL's sum is a decimal number
        other = func.count().filter(EncodingRow.model != model_key(*state[:2]))
        rows = (
            select(EncodingRow.exit, func.count(), macs, other)
            .where(EncodingRow.collection_id == collection_id)
            .group_by(EncodingRow.exit)
        )
        counted = session.execute(rows).all()
        photos = sum(photos for _, photos, *_ in counted)
        return Totals(
            photos=photos,
            macs_index=sum(macs for *_, macs, _ in counted),
            exits={exit: photos for exit, photos, *_ in counted},
            waiting=state[-1] - photos,
            by_other_phrases=sum(others for *_, others in counted),
        )


def _called(name: str, kind: str, owner: str | None) -> Select[int]:
    """The id of the one collection of that name, kind and owner."""
    same_owner = CollectionRow.owner.is_not_distinct_from(owner)
    names = (_composed(name), unicodedata.normalize("NFD", name))  # as earlier versions kept folders' names on macOS
    called = select(CollectionRow.id).where(CollectionRow.name.in_(names), CollectionRow.kind == kind, same_owner)
    return called.order_by(CollectionRow.name != name)  # earlier versions took both spellings: each finds its own


def _composed(name: str) -> str:
    """A name as keyboards write it: macOS writes folders' accents as letters of their own."""
    return unicodedata.normalize("NFC", name)


def hold(session: Session, collection_id: int) -> CollectionRow:
    """A collection that no other transaction changes before this one ends; raises GalleryMissing."""
    return _find(session, collection_id, hold=True)


def _find(session: Session, collection_id: int, hold: bool = False) -> CollectionRow:
    row = session.get(CollectionRow, collection_id, with_for_update=True if hold else None)
    if row is None or row.kind == GONE:
        raise GalleryMissing(f"There is no gallery number {collection_id} any more; choose another one.")
    return row
