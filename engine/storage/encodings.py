"""Encodings: what the encoder made of images, replaced when they are encoded again or run deeper."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import and_, select, update
from sqlalchemy.orm import Session

from engine.storage.bind_limit import change_rows, rows_of
from engine.storage.cleanup import tidy
from engine.storage.collections import hold
from engine.storage.database import Database
from engine.storage.feature_map_files import MapFile
from engine.storage.images import get_images
from engine.storage.schema import CollectionRow, EncodingRow, FeatureMapRow, ImageRow, ModelStamp, float32_bytes

if TYPE_CHECKING:
    from engine.exits.batch import Encoding

# An encoding's kept map; one of an exit that the image has passed counts for nothing.
MAP_OF_ENCODING = and_(FeatureMapRow.image_id == EncodingRow.image_id, FeatureMapRow.exit == EncodingRow.exit)

AT_ONCE = 1_000  # rows of a whole collection in memory beside what is made of them


@dataclass(frozen=True)
class ChangedRows:
    """Images that came or were encoded anew, in order of revision."""

    revisions: np.ndarray  # (N,) int64
    ids: np.ndarray  # (N,) int64
    exits: np.ndarray  # (N,) int64, 1-based
    affinity: np.ndarray  # (N,) float64
    vectors: np.ndarray  # (N, D) float32; (0, 0) when there are none


@dataclass(frozen=True)
class Candidate:
    """An image and the encoding that it has now."""

    image_id: int
    content_hash: str
    exit: int  # 1-based
    vector: bytes  # float32
    affinity: float
    map: str | None  # file of the feature map that it left that exit with, where one is kept

    def deepened(self, by: "Encoding | None") -> "Candidate":
        """With a deeper encoding, if any, in the place of its own; the same where it is as deep by another way."""
        if by is None or self.exit >= by.exit:
            return self
        return replace(self, exit=by.exit, vector=float32_bytes(by.vector), affinity=by.affinity, map=None)


@dataclass(frozen=True)
class Standings:
    """Where all images of a collection stand, in order of id; (N,) each, and all arrays may be written to."""

    ids: np.ndarray  # int64
    names: tuple[str, ...]
    hashes: tuple[str, ...]  # of their contents
    exits: np.ndarray  # int64, 1-based
    macs: np.ndarray  # int64, spent so far
    mapped: np.ndarray  # bool: the feature map is kept that it left with
    vectors: np.ndarray  # (N, D) float32; (0, 0) when there are none


def list_standings(database: Database, collection_id: int) -> Standings:
    """Where all images of a collection stand that have an encoding."""
    wanted = (
        select(
            ImageRow.id,
            EncodingRow.exit,
            EncodingRow.macs_index + EncodingRow.macs_query,
            FeatureMapRow.file.is_not(None),
            EncodingRow.vector,
            ImageRow.name,
            ImageRow.content_hash,
        )
        .join(EncodingRow, EncodingRow.image_id == ImageRow.id)
        .outerjoin(FeatureMapRow, MAP_OF_ENCODING)
        .where(ImageRow.collection_id == collection_id)
        .order_by(ImageRow.id)
    )
    numbers, names, hashes, joined = list[tuple[int, ...]](), list[str](), list[str](), bytearray()
    with database.read() as session:
        for *four, vector, name, content_hash in session.execute(wanted).yield_per(AT_ONCE):
            numbers.append(tuple(four))
            names.append(name)
            hashes.append(content_hash)
            joined += vector
    ids, exits, macs, mapped = np.array(numbers, np.int64).reshape(-1, 4).T.copy()
    vectors = np.frombuffer(joined, np.float32).reshape(len(ids), -1 if numbers else 0)
    return Standings(ids, tuple(names), tuple(hashes), exits, macs, mapped.astype(bool), vectors)


def list_candidates(database: Database, image_ids: Sequence[int]) -> list[Candidate]:
    """Where images stand, in the order of the ids asked for; those that are not there are left out."""
    wanted = (
        select(
            ImageRow.id,
            ImageRow.content_hash,
            EncodingRow.exit,
            EncodingRow.vector,
            EncodingRow.affinity,
            FeatureMapRow.file,
        )
        .join(EncodingRow, EncodingRow.image_id == ImageRow.id)
        .outerjoin(FeatureMapRow, MAP_OF_ENCODING)
    )
    with database.read() as session:
        found = {row[0]: Candidate(*row) for row in rows_of(session, wanted, ImageRow.id, image_ids)}
    return [found[image_id] for image_id in image_ids if image_id in found]


def list_changes(database: Database, collection_id: int, after: int, limit: int) -> ChangedRows:
    """The images of a collection that came or were encoded anew after a revision, in order of revision."""
    wanted = (
        select(ImageRow.revision, ImageRow.id, EncodingRow.exit, EncodingRow.affinity, EncodingRow.vector)
        .join(EncodingRow, EncodingRow.image_id == ImageRow.id)
        .where(ImageRow.collection_id == collection_id, ImageRow.revision > after)
        .order_by(ImageRow.revision)
        .limit(limit)
    )
    with database.read() as session:
        rows = session.execute(wanted).all()
    revisions, ids, exits = (np.array([row[column] for row in rows], np.int64) for column in range(3))
    affinity = np.array([row[3] for row in rows], np.float64)
    vectors = np.frombuffer(b"".join(row[4] for row in rows), np.float32)
    return ChangedRows(revisions, ids, exits, affinity, vectors.reshape(len(rows), -1 if rows else 0))


def keep_deeper(
    database: Database,
    collection_id: int,
    stamp: ModelStamp,
    deeper: "Mapping[int, Encoding]",
    candidates: Sequence[int] | None = None,
) -> None:
    """Replace encodings by deeper ones that a query ran, by the ids of their images, in one transaction.

    What they cost is counted even where another query has gone as deep meanwhile; the encoding there stays then. An
    image never costs more than full depth: where it had to be run from its picture again, the rest is the query's own.

    Args: candidates: images whose places a query asked about; None: no query did.
    Raises: GalleryMissing, ModelChanged.
    """
    with _changed(database, collection_id, stamp, deeper) as (session, collection, written, lost):
        collection.macs_queries += sum(encoding.macs for encoding in deeper.values())
        lost += _go_deeper(database, session, collection, stamp, written, by_query=True)
        if candidates is not None:
            collection.queries += 1
            database.maps.use(session, candidates)


def images_without_encoding(database: Database, collection_id: int) -> list[int]:
    """Ids of the images that wait for an encoding, in order."""
    wanted = (
        select(ImageRow.id)
        .outerjoin(EncodingRow, EncodingRow.image_id == ImageRow.id)
        .where(ImageRow.collection_id == collection_id, EncodingRow.image_id.is_(None))
        .order_by(ImageRow.id)
    )
    with database.read() as session:
        return list(session.scalars(wanted))


def images_of_other_phrases(database: Database, collection_id: int, stamp: ModelStamp) -> list[int]:
    """Ids of the images that left by other phrases than the stamp's, in order."""
    wanted = (
        select(EncodingRow.image_id)
        .where(EncodingRow.collection_id == collection_id, EncodingRow.model != stamp.key)
        .order_by(EncodingRow.image_id)
    )
    with database.read() as session:
        return list(session.scalars(wanted))


def images_at_other_budgets(
    database: Database, collection_id: int, stamp: ModelStamp, budget: float
) -> list[tuple[int, int, bytes]]:
    """(id, exit, gates) of the images that left by the stamp's phrases for another budget; in order of exit and id."""
    wanted = (
        select(EncodingRow.image_id, EncodingRow.exit, EncodingRow.gates)
        .where(EncodingRow.collection_id == collection_id, EncodingRow.model == stamp.key, EncodingRow.budget != budget)
        .order_by(EncodingRow.exit, EncodingRow.image_id)
    )
    with database.read() as session:
        return [(image_id, exit, gates) for image_id, exit, gates in session.execute(wanted)]


def keep_for_budget(
    database: Database,
    collection_id: int,
    stamp: ModelStamp,
    budget: float,
    image_ids: Collection[int],
    deeper: "Mapping[int, Encoding]",
) -> None:
    """Have encodings stand for another budget, some of them replaced by deeper ones, in one transaction.

    What those took is added to what indexing took, up to the cost of full depth.

    Args: image_ids: of all.  deeper: by id.
    Raises: GalleryMissing, ModelChanged.
    """
    with _changed(database, collection_id, stamp, deeper) as (session, collection, written, lost):
        collection.budget = budget
        change_rows(session, update(EncodingRow).values(budget=budget), EncodingRow.image_id, image_ids)
        lost += _go_deeper(database, session, collection, stamp, written, by_query=False)


def replace_encodings(
    database: Database, collection_id: int, stamp: ModelStamp, encodings: "Mapping[int, Encoding]"
) -> list[ImageRow]:
    """Give images new encodings in one transaction, by id; returns those that are still there.

    What queries spent on the encodings before is no longer counted: the account is that of those that stand.
    Raises: GalleryMissing, ModelChanged.
    """
    with _changed(database, collection_id, stamp, encodings) as (session, collection, written, lost):
        collection.stamp(stamp)
        there = sorted(image_id for (image_id,) in rows_of(session, select(ImageRow.id), ImageRow.id, encodings))
        for image_id in there:
            before = session.get(EncodingRow, image_id)
            if before is not None:
                collection.macs_queries -= before.macs_query
                session.delete(before)
                session.flush()
            encoding, kept = written[image_id]
            row = EncodingRow.of(encoding, stamp.key)
            row.image_id, row.collection_id = image_id, collection.id
            session.add(row)
            collection.budget = row.budget
            revised = update(ImageRow).where(ImageRow.id == image_id).values(revision=collection.next_revision())
            session.execute(revised)
            lost += database.maps.put(session, image_id, row.exit, kept)
    return get_images(database, there)


@contextmanager
def _changed(
    database: Database, collection_id: int, stamp: ModelStamp, encodings: "Mapping[int, Encoding]"
) -> "Iterator[tuple[Session, CollectionRow, dict[int, tuple[Encoding, MapFile | None]], list[str]]]":
    """One transaction on a collection; the feature maps of encodings are written before it.

    Yields: its session; the collection; the encodings, each with the file of its map, which no row names yet; and a
        list for the map files that lose their rows, which are deleted after it.
    """
    written: dict[int, tuple[Encoding, MapFile | None]] = {}
    lost: list[str] = []
    try:
        for image_id, encoding in encodings.items():
            written[image_id] = encoding, database.maps.write(encoding.packed_map())
        with database.write() as session:
            collection = hold(session, collection_id)
            collection.require(stamp)
            yield session, collection, written, lost
            lost += database.maps.trim(session)
    except BaseException:
        database.maps.unlink([kept.file for _, kept in written.values() if kept is not None])
        raise
    tidy(database, lost)


def _go_deeper(
    database: Database,
    session: Session,
    collection: CollectionRow,
    stamp: ModelStamp,
    deeper: "Mapping[int, tuple[Encoding, MapFile | None]]",
    by_query: bool,
) -> list[str]:
    """Make the encodings of images deeper ones; returns the map files that have no row now.

    Args: by_query: a query pays for it, and not indexing.
    """
    lost = []
    for image_id, (encoding, kept) in deeper.items():
        image = session.get(ImageRow, image_id)
        if image is not None and _has_gone_deeper(collection, stamp, image, encoding, by_query):
            lost += database.maps.put(session, image_id, encoding.exit, kept)
        elif kept is not None:
            lost.append(kept.file)
    return lost


def _has_gone_deeper(
    collection: CollectionRow, stamp: ModelStamp, image: ImageRow, deeper: "Encoding", by_query: bool
) -> bool:
    """Account for a run, and make an image's encoding what came of it.

    It stays where it is as deep already, or is a new one that has not come to where the deeper one went on from.
    """
    row, start = image.encoding, deeper.start
    macs = max(0, min(deeper.macs, stamp.full_macs - row.macs_index - row.macs_query))
    if by_query:
        row.macs_query += macs
    else:
        row.macs_index += macs
    row.milliseconds += deeper.milliseconds
    if not start <= row.exit < deeper.exit:
        return False
    row.gates = row.gates[: start * deeper.gates.shape[1] * np.float32().itemsize] + float32_bytes(deeper.gates)
    row.phrases = [*row.phrases[:start], *map(list, deeper.nearest_texts)]
    row.vector, row.exit, row.affinity = float32_bytes(deeper.vector), deeper.exit, deeper.affinity
    image.revision = collection.next_revision()
    return True
