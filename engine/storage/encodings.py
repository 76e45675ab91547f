"""Encodings: what the encoder made of images, replaced when they are encoded again or run deeper."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import and_, or_, select, update

from engine.exits.phrases import Phrases
from engine.storage.bind_limit import rows_of
from engine.storage.cleanup import tidy
from engine.storage.collections import hold
from engine.storage.database import Database
from engine.storage.images import get_images
from engine.storage.schema import EncodingRow, FeatureMapRow, ImageRow, ModelStamp


@dataclass(frozen=True)
class ChangedRows:
    """Images that came or were encoded anew, in order of revision."""

    revisions: np.ndarray  # (N,) int64
    ids: np.ndarray  # (N,) int64
    exits: np.ndarray  # (N,) int64, 1-based
    vectors: np.ndarray  # (N, D) float32; (0, 0) when there are none


@dataclass(frozen=True)
class Candidate:
    """An image and the encoding that it has now."""

    image_id: int
    content_hash: str
    exit: int  # 1-based
    vector: bytes  # float32
    map: str | None  # file of the feature map that it left that exit with, where one is kept


@dataclass(frozen=True)
class DeeperEncoding:
    """A deeper encoding of an image, and what it took."""

    image_id: int
    exit: int  # 1-based, where it left at last
    vector: bytes  # float32, unit length
    phrases: Mapping[int, Phrases]  # of the exits (1-based) it was described at
    macs: int
    milliseconds: float
    map: bytes | None  # the feature map that it left with, where there is one


def list_candidates(database: Database, image_ids: Sequence[int]) -> list[Candidate]:
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
    )
    with database.read() as session:
        found = {row[0]: Candidate(*row) for row in rows_of(session, wanted, ImageRow.id, image_ids)}
    return [found[image_id] for image_id in image_ids if image_id in found]


def encoded_images(database: Database, image_ids: Sequence[int]) -> list[int]:
    """Those ids of which there is an image with an encoding, in no order."""
    if not image_ids:
        return []
    with database.read() as session:
        return [i for (i,) in rows_of(session, select(EncodingRow.image_id), EncodingRow.image_id, image_ids)]


def list_changes(database: Database, collection_id: int, after: int, limit: int) -> ChangedRows:
    """The images of a collection that came or were encoded anew after a revision, in order of revision."""
    wanted = (
        select(ImageRow.revision, ImageRow.id, EncodingRow.exit, EncodingRow.vector)
        .join(EncodingRow, EncodingRow.image_id == ImageRow.id)
        .where(ImageRow.collection_id == collection_id, ImageRow.revision > after)
        .order_by(ImageRow.revision)
        .limit(limit)
    )
    with database.read() as session:
        rows = session.execute(wanted).all()
    revisions, ids, exits = (np.array([row[column] for row in rows], np.int64) for column in range(3))
    vectors = np.frombuffer(b"".join(row[3] for row in rows), np.float32)
    return ChangedRows(revisions, ids, exits, vectors.reshape(len(rows), -1 if rows else 0))


def keep_deeper(
    database: Database,
    collection_id: int,
    stamp: ModelStamp,
    deeper: Sequence[DeeperEncoding],
    candidates: Sequence[int] | None = None,
    scoring_macs: int = 0,
) -> None:
    """Replace encodings by deeper ones, in one transaction.

    What they cost is counted even where another query has gone as deep meanwhile; the encoding there stays then.

    Args:
        candidates: images whose places a query asked about; None: no query did.
        scoring_macs: MACs of scoring those candidates.
    Raises: GalleryMissing, ModelChanged.
    """
    lost: list[str] = []
    written = [database.maps.write(encoding.map) for encoding in deeper]
    with database.write() as session:
        collection = hold(session, collection_id)
        collection.require(stamp)
        collection.macs_queries += scoring_macs
        for encoding, kept in zip(deeper, written, strict=True):
            collection.macs_queries += encoding.macs
            image = session.get(ImageRow, encoding.image_id)
            if image is None:  # deleted meanwhile
                continue
            row = image.encoding
            row.macs_query += encoding.macs
            row.milliseconds += encoding.milliseconds
            if row.exit < encoding.exit:
                _deepen(row, encoding, stamp.exits)
                image.revision = collection.next_revision()
                lost += database.maps.put(session, image.id, encoding.exit, kept)
        if candidates is not None:
            collection.queries += 1
            database.maps.use(session, candidates)
        lost += database.maps.trim(session)
    tidy(database, lost)


def images_to_encode(database: Database, collection_id: int, budget: float) -> list[tuple[int, str]]:
    """(id, content hash) of the images that have no encoding, or one for another budget; in order of id."""
    wanted = (
        select(ImageRow.id, ImageRow.content_hash)
        .outerjoin(EncodingRow, EncodingRow.image_id == ImageRow.id)
        .where(ImageRow.collection_id == collection_id)
        .where(or_(EncodingRow.budget.is_(None), EncodingRow.budget != budget))
        .order_by(ImageRow.id)
    )
    with database.read() as session:
        return [(image_id, content_hash) for image_id, content_hash in session.execute(wanted)]


def replace_encodings(
    database: Database,
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
    written = {image_id: database.maps.write(data) for image_id, data in maps.items()}
    with database.write() as session:
        collection = hold(session, collection_id)
        collection.require(stamp)
        collection.stamp(stamp)
        there = sorted(image_id for (image_id,) in rows_of(session, select(ImageRow.id), ImageRow.id, encodings))
        for image_id in there:
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
            lost += database.maps.put(session, image_id, row.exit, written.get(image_id))
        lost += database.maps.trim(session)
    tidy(database, lost)
    return get_images(database, there)


def _deepen(row: EncodingRow, deeper: DeeperEncoding, exits: int) -> None:
    """Make a row that of a deeper encoding; gates that were not asked on the way are NaN."""
    gated = min(row.exit, exits - 1)
    values = np.frombuffer(row.gates, np.float32).reshape(gated, -1)
    passed = np.full((min(deeper.exit, exits - 1) - gated, values.shape[1]), np.nan, np.float32)
    row.gates = np.concatenate([values, passed]).tobytes()
    phrases = dict(enumerate(row.phrases, start=1)) | {exit: list(texts) for exit, texts in deeper.phrases.items()}
    row.phrases = [phrases.get(exit, []) for exit in range(1, deeper.exit + 1)]
    row.vector, row.exit = deeper.vector, deeper.exit
