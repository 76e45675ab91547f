"""What is kept: collections, images and encodings in SQLite, and a picture file for each image.

SQLite is the truth, and only this module queries it. Each call is one short session; each change is one transaction.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
from sqlalchemy import Engine, delete, func, select
from sqlalchemy.orm import Session

from engine.database import connect, database_url, for_writing, in_a_sentence, migrate
from engine.home import home
from engine.tables import (
    Base,
    CollectionRow,
    EncodingRow,
    GalleryMissing,
    ImageRow,
    Kind,
    ModelChanged,
    ModelStamp,
    NameTaken,
    PhotoMissing,
    RaceRow,
    Totals,
)

__all__ = [
    "Base",
    "CollectionRow",
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


class Store:
    """The database and the picture files of one data folder; safe to use from many threads and processes."""

    def __init__(self, engine: Engine, pictures: Path) -> None:
        self._reading = engine
        self._writing = for_writing(engine)
        self._pictures = pictures

    @classmethod
    def open(cls, folder: Path | None = None) -> "Store":
        """The store of a data folder (by default `home()`), its tables brought up to date.

        Raises: HomeUnwritable, NewerDatabase, StoreUnusable.
        """
        folder = folder or home()
        engine = connect(database_url(folder))
        migrate(engine)
        return cls(engine, folder / "pictures")

    def close(self) -> None:
        """Let go of the database file."""
        self._reading.dispose()

    # Collections

    def open_collection(self, name: str, kind: Kind, owner: str | None) -> int:
        """The id of the collection of that name, kind and owner, made if there is none."""
        with self._write() as session:
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

    def collections(self, kind: Kind | None = None) -> list[CollectionRow]:
        """All collections (of a kind): the one indexed last first."""
        rows = select(CollectionRow).order_by(CollectionRow.indexed_at.desc().nulls_last(), CollectionRow.id.desc())
        if kind is not None:
            rows = rows.where(CollectionRow.kind == kind)
        with self._read() as session:
            return list(session.scalars(rows))

    def touch(self, collection_id: int) -> None:
        """Note that a collection is being indexed now; raises GalleryMissing."""
        with self._write() as session:
            _collection(session, collection_id).indexed_at = time.time()

    def remove(self, collection_id: int) -> None:
        """Delete a collection, its images, and the pictures that no other one uses; raises GalleryMissing."""
        of_collection = select(ImageRow.content_hash).where(ImageRow.collection_id == collection_id)
        with self._write() as session:
            _collection(session, collection_id)
            hashes = set(session.scalars(of_collection))
            session.execute(delete(CollectionRow).where(CollectionRow.id == collection_id))
        self._drop_pictures(hashes)

    def rename(self, collection_id: int, name: str) -> None:
        """Give a collection another name; raises GalleryMissing, NameTaken."""
        with self._write() as session:
            row = _collection(session, collection_id)
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
            _collection(session, collection_id).link = link

    def linked(self, link: str) -> CollectionRow | None:
        """The collection that is published under a link."""
        with self._read() as session:
            return session.scalar(select(CollectionRow).where(CollectionRow.link == link))

    def totals(self, collection_id: int) -> Totals:
        """Sums over the images of a collection; zeros for one that is empty or not there."""
        rows = (
            select(EncodingRow.exit, func.count(), func.sum(EncodingRow.macs_index + EncodingRow.macs_query))
            .join(ImageRow, ImageRow.id == EncodingRow.image_id)
            .where(ImageRow.collection_id == collection_id)
            .group_by(EncodingRow.exit)
        )
        with self._read() as session:
            counted = session.execute(rows).all()
        return Totals(
            photos=sum(photos for _, photos, _ in counted),
            macs=sum(macs for *_, macs in counted),
            exits={exit: photos for exit, photos, _ in counted},
        )

    # Races

    def add_race(self, race: RaceRow) -> None:
        """Keep a race; one whose collection has gone meanwhile is dropped."""
        with self._write() as session:
            if session.get(CollectionRow, race.collection_id) is not None:
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

    def add(
        self, collection_id: int, stamp: ModelStamp, images: Sequence[ImageRow], pictures: Mapping[str, bytes]
    ) -> list[ImageRow]:
        """Keep a batch of encoded images in one transaction: all of it, or none.

        Args:
            stamp: what encoded them; the collection's own from its first image on.
            images: rows with their encodings; the collection is filled in here.
            pictures: the file to keep for each image, by content hash.
        Returns: the rows that are new, with their ids; images that came in meanwhile by another way are left out.
        Raises: GalleryMissing, ModelChanged, StoreUnusable.
        """
        with self._write() as session:
            collection = _collection(session, collection_id)
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
            for name, value in vars(stamp).items():
                setattr(collection, name, value)
            collection.budget = fresh[-1].encoding.budget
            for image in fresh:
                self._keep_picture(image.content_hash, pictures[image.content_hash])
                image.collection = collection
                session.add(image)
        return fresh

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
        """Delete images of a collection, and the pictures that no other one uses; returns how many there were."""
        wanted = (ImageRow.collection_id == collection_id, ImageRow.id.in_(image_ids))
        with self._write() as session:
            hashes = list(session.scalars(select(ImageRow.content_hash).where(*wanted)))
            session.execute(delete(ImageRow).where(*wanted))
        self._drop_pictures(set(hashes))
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

    def gates(self, collection_id: int, after: int, limit: int) -> list[tuple[int, float, bytes]]:
        """Of a collection's images with an id above `after`, in order of id: id, budget and gate values."""
        wanted = (
            select(ImageRow.id, EncodingRow.budget, EncodingRow.gates)
            .join(EncodingRow, EncodingRow.image_id == ImageRow.id)
            .where(ImageRow.collection_id == collection_id, ImageRow.id > after)
            .order_by(ImageRow.id)
            .limit(limit)
        )
        with self._read() as session:
            return [(image_id, budget, gates) for image_id, budget, gates in session.execute(wanted)]

    def vectors(self, collection_id: int, after: int, limit: int) -> tuple[np.ndarray, np.ndarray]:
        """The vectors of a collection's images with an id above `after`, in order of id.

        Returns: (N,) int64 image ids and (N, D) float32 vectors, N at most `limit`; (0, 0) vectors when there are none.
        """
        wanted = (
            select(ImageRow.id, EncodingRow.vector)
            .join(EncodingRow, EncodingRow.image_id == ImageRow.id)
            .where(ImageRow.collection_id == collection_id, ImageRow.id > after)
            .order_by(ImageRow.id)
            .limit(limit)
        )
        with self._read() as session:
            rows = session.execute(wanted).all()
        ids = np.array([image_id for image_id, _ in rows], dtype=np.int64)
        vectors = np.frombuffer(b"".join(vector for _, vector in rows), dtype=np.float32)
        return ids, vectors.reshape(len(rows), -1 if rows else 0)

    # Pictures

    def picture_path(self, content_hash: str) -> Path:
        """Where the picture of an image is kept: upright RGB, at most 768 px, JPEG without metadata."""
        return self._pictures / content_hash[:2] / f"{content_hash}.jpg"

    def _keep_picture(self, content_hash: str, data: bytes) -> None:
        path = self.picture_path(content_hash)
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        # Renamed into place, so that a sudden death leaves a whole picture or none.
        with NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            file.write(data)
        os.replace(file.name, path)

    def _drop_pictures(self, hashes: set[str]) -> None:
        """Delete the pictures among these that no image uses any more."""
        # After the commit, so that no row ever lacks its file; in a transaction, so that no `add` comes in between.
        with self._write() as session:
            for content_hash in hashes:
                if session.scalar(select(ImageRow.id).where(ImageRow.content_hash == content_hash).limit(1)) is None:
                    self.picture_path(content_hash).unlink(missing_ok=True)

    # Sessions

    @contextmanager
    def _read(self) -> Iterator[Session]:
        with in_a_sentence(self._reading), Session(self._reading) as session:
            yield session

    @contextmanager
    def _write(self) -> Iterator[Session]:
        # Rows stay readable after the commit, when they are handed out.
        with in_a_sentence(self._reading), Session(self._writing, expire_on_commit=False) as session, session.begin():
            yield session


def _collection(session: Session, collection_id: int) -> CollectionRow:
    row = session.get(CollectionRow, collection_id)
    if row is None:
        raise GalleryMissing(f"There is no gallery number {collection_id} any more; choose another one.")
    return row
