"""Images: the pictures of a collection, each with its encoding and its picture file."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.orm import Session

from engine.storage.bind_limit import change_rows, rows_of
from engine.storage.cleanup import drop_pictures, tidy
from engine.storage.collections import hold
from engine.storage.database import Database, StoreUnusable, take_lock
from engine.storage.dates import Order, in_order, of_year
from engine.storage.schema import CollectionRow, EncodingRow, ImageRow, ModelStamp, PhotoMissing


def has_image(database: Database, collection_id: int, content_hash: str) -> bool:
    """Whether the collection holds an image made of exactly these bytes, with an encoding or not."""
    wanted = select(ImageRow.id).where(ImageRow.collection_id == collection_id, ImageRow.content_hash == content_hash)
    with database.read() as session:
        return session.scalar(wanted) is not None


def held_hashes(database: Database, collection_id: int, hashes: Sequence[str]) -> set[str]:
    """Those of some content hashes whose images in a collection have an encoding."""
    with database.read() as session:
        return {row.content_hash for row in rows_of(session, _encoded(collection_id), ImageRow.content_hash, hashes)}


def content_hashes(database: Database, collection_id: int) -> list[str]:
    """The content hashes of all images of a collection that have an encoding, in no order."""
    with database.read() as session:
        return list(session.scalars(_encoded(collection_id)))


def move_sources(database: Database, collection_id: int, sources: Mapping[str, tuple[str, str]]) -> None:
    """Give originals of which there is nothing any more where they lay their new name and place, by content hash."""
    held = select(ImageRow.id, ImageRow.content_hash, ImageRow.source).where(ImageRow.collection_id == collection_id)
    with database.read() as session:
        rows = rows_of(session, held, ImageRow.content_hash, list(sources))
        gone = [row for row in rows if row.source is None or not os.path.isfile(row.source)]
    if gone:
        with database.write() as session:
            for row in gone:
                name, source = sources[row.content_hash]
                called = {} if row.source is None else {"name": name}  # one that was sent keeps the name it came by
                session.execute(update(ImageRow).where(ImageRow.id == row.id).values(source=source, **called))


def _encoded(collection_id: int) -> Select[str]:
    """The content hashes of images that need no other encoding; the files of others are welcome again."""
    encoded = select(ImageRow.content_hash).join(EncodingRow, EncodingRow.image_id == ImageRow.id)
    return encoded.where(ImageRow.collection_id == collection_id)


def add_images(
    database: Database,
    collection_id: int,
    stamp: ModelStamp,
    images: Sequence[ImageRow],
    pictures: Mapping[str, bytes],
    maps: Mapping[str, bytes],
) -> list[ImageRow]:
    """Keep a batch of encoded images: files first, then all rows in one transaction, or none.

    An image that is there without an encoding gets the new one.

    Args:
        stamp: what encoded them; the collection's own from its first image on.
        images: rows with their encodings; the collection is filled in here.
        pictures: the file to keep for each image, by content hash.
        maps: the feature map to keep for those that have one, by content hash.
    Returns: the rows that are new or have an encoding again, with their ids; images that came in meanwhile by another
        way are left out.
    Raises: GalleryMissing, ModelChanged, StoreUnusable.
    """
    new = [content_hash for content_hash in pictures if not os.path.exists(database.pictures.path(content_hash))]
    note = database.pictures.write_note(new)
    try:
        with database.explaining_errors():
            database.pictures.keep(pictures)
        written = {content_hash: database.maps.write(data) for content_hash, data in maps.items()}
        with database.write() as session:
            fresh = _add_rows(session, collection_id, stamp, images)
            # A picture that another process has deleted meanwhile is written again; from here on it stays.
            take_lock(session.connection(), "pictures", shared=True)
            database.pictures.keep({image.content_hash: pictures[image.content_hash] for image in fresh})
            for image in fresh:
                database.maps.put(session, image.id, image.encoding.exit, written.pop(image.content_hash, None))
            lost = database.maps.trim(session)
    except Exception:
        with suppress(StoreUnusable):  # then the next sweep does it
            drop_pictures(database, new, note)
        raise
    note.unlink(missing_ok=True)
    tidy(database, [*lost, *(kept.file for kept in written.values() if kept is not None)])
    return fresh


def _add_rows(session: Session, collection_id: int, stamp: ModelStamp, images: Sequence[ImageRow]) -> list[ImageRow]:
    """Add those images that a collection does not hold yet, and give those that wait for an encoding theirs."""
    collection = hold(session, collection_id)
    collection.require(stamp)
    kept = select(ImageRow.content_hash, ImageRow.id, EncodingRow.image_id.is_(None).label("waits"))
    kept = kept.outerjoin(EncodingRow, EncodingRow.image_id == ImageRow.id)
    hashes = [image.content_hash for image in images]
    there = rows_of(session, kept.where(ImageRow.collection_id == collection_id), ImageRow.content_hash, hashes)
    known = {row.content_hash for row in there if not row.waits}
    waiting = {row.content_hash: row.id for row in there if row.waits}
    fresh = [image for image in images if image.content_hash not in known]
    if fresh:
        collection.stamp(stamp)
        collection.budget = fresh[-1].encoding.budget
    for image in fresh:
        image.encoding.collection_id = collection.id
        revision = collection.next_revision()
        if image.content_hash in waiting:  # its row stays, with its id and what was done by hand
            image.encoding.image_id = waiting[image.content_hash]
            session.add(image.encoding)
            session.execute(update(ImageRow).where(ImageRow.id == image.encoding.image_id).values(revision=revision))
        else:
            image.collection, image.revision = collection, revision
            session.add(image)
    session.flush()
    return [session.get_one(ImageRow, image.encoding.image_id) for image in fresh]


def get_image(database: Database, image_id: int) -> ImageRow:
    """One image with its encoding and collection; raises PhotoMissing."""
    found = get_images(database, [image_id])
    if not found:
        raise PhotoMissing(f"There is no photo number {image_id} any more; search again.")
    return found[0]


def get_images(database: Database, image_ids: Sequence[int]) -> list[ImageRow]:
    """Images in the order of the ids asked for; those that are not there are left out."""
    with database.read() as session:
        rows = {row.id: row for (row,) in rows_of(session, select(ImageRow), ImageRow.id, image_ids)}
    return [rows[image_id] for image_id in image_ids if image_id in rows]


def list_images(
    database: Database, collection_id: int, limit: int, order: Order = "arrival", year: int | None = None
) -> list[ImageRow]:
    """A collection's images in an order, all or those of a year."""
    rows = select(ImageRow).where(ImageRow.collection_id == collection_id, *of_year(year)).order_by(*in_order(order))
    with database.read() as session:
        return list(session.scalars(rows.limit(limit)))


def hashes_of(database: Database, image_ids: Sequence[int]) -> dict[int, str]:
    """The content hashes of images by their ids, in the order asked for; those that are not there are left out."""
    with database.read() as session:
        found = dict(rows_of(session, select(ImageRow.id, ImageRow.content_hash), ImageRow.id, image_ids))
    return {image_id: found[image_id] for image_id in image_ids if image_id in found}


def image_ids(database: Database, collection_id: int) -> list[int]:
    """Ids of a collection's images that have an encoding, in order."""
    wanted = select(EncodingRow.image_id).where(EncodingRow.collection_id == collection_id)
    with database.read() as session:
        return list(session.scalars(wanted.order_by(EncodingRow.image_id)))


def image_names(database: Database, image_ids: Sequence[int]) -> list[str]:
    """Names of images in order of id, with an encoding or not; those that are not there are left out."""
    with database.read() as session:
        rows = rows_of(session, select(ImageRow.id, ImageRow.name), ImageRow.id, image_ids)
    return [name for _, name in sorted(rows)]


def images_at_exit(database: Database, collection_id: int, exit: int, limit: int) -> list[ImageRow]:
    """Images of a collection that left at an exit, in the order in which they came."""
    rows = (
        select(ImageRow)
        .join(EncodingRow, EncodingRow.image_id == ImageRow.id)
        .where(ImageRow.collection_id == collection_id, EncodingRow.exit == exit)
        .order_by(ImageRow.id)
        .limit(limit)
    )
    with database.read() as session:
        return list(session.scalars(rows))


def delete_images(database: Database, collection_id: int, image_ids: Sequence[int]) -> int:
    """Delete images of a collection, and the pictures that no other one uses; returns how many there were.

    What queries spent on them is no longer counted, as what indexing did is not.
    """
    wanted = select(ImageRow.id, ImageRow.content_hash, func.coalesce(EncodingRow.macs_query, 0))
    wanted = wanted.outerjoin(EncodingRow, EncodingRow.image_id == ImageRow.id)
    database.spare_room.give_up()
    with database.write() as session:
        collection = session.get(CollectionRow, collection_id, with_for_update=True)
        images = rows_of(session, wanted.where(ImageRow.collection_id == collection_id), ImageRow.id, image_ids)
        ids, hashes = [image_id for image_id, *_ in images], [content_hash for _, content_hash, _ in images]
        if collection is not None:
            collection.macs_queries -= sum(macs for *_, macs in images)
        maps = database.maps.files(session, collection_id, ids)
        note = database.pictures.write_note(hashes)
        change_rows(session, delete(ImageRow), ImageRow.id, ids)
    drop_pictures(database, hashes, note)
    tidy(database, maps)
    return len(hashes)
