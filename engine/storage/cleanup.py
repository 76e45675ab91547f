"""Deletes files whose rows are gone: after each commit, and by a sweep what a sudden death has left."""

import time
from collections.abc import Collection, Sequence
from pathlib import Path

from sqlalchemy import delete, select

from engine.storage.database import Database
from engine.storage.schema import GONE, CollectionRow, ImageRow

DROPPED_AT_ONCE = 200  # pictures or images in one transaction: others wait for it
SWEEP_SECONDS = 3600.0  # between two looks for files that a sudden death has left behind


def drop_collection(database: Database, collection_id: int) -> None:
    """Delete the images of a collection that is gone already for all others, then the collection."""
    some = select(ImageRow.id).where(ImageRow.collection_id == collection_id).limit(DROPPED_AT_ONCE)
    left = True
    while left:
        with database.write() as session:
            began = time.monotonic()
            left = bool(session.scalars(delete(ImageRow).where(ImageRow.id.in_(some)).returning(ImageRow.id)).all())
            if not left:
                session.execute(delete(CollectionRow).where(CollectionRow.id == collection_id))
        if left:
            time.sleep(time.monotonic() - began)  # as `drop_pictures` does


def drop_pictures(database: Database, hashes: Collection[str], note: Path) -> None:
    """Delete the pictures among these that no image uses any more, and the note of them once all are gone."""
    listed, gone = list(hashes), True
    for start in range(0, len(listed), DROPPED_AT_ONCE):
        # After the commit, so that no row lacks its file; under a lock, so that no row comes in between.
        with database.write("pictures") as session:
            began = time.monotonic()
            gone &= database.pictures.drop(session, listed[start : start + DROPPED_AT_ONCE])
        if start + DROPPED_AT_ONCE < len(listed):
            time.sleep(time.monotonic() - began)  # SQLite's other writers only look now and then for their turn
    if gone:
        note.unlink(missing_ok=True)


def tidy(database: Database, maps: Sequence[str]) -> None:
    """After a commit, delete the feature maps that have lost their rows; now and then, sweep."""
    database.maps.unlink(maps)
    if time.monotonic() - database.swept_at >= SWEEP_SECONDS:
        database.swept_at = time.monotonic()
        sweep(database)


def sweep(database: Database) -> None:
    """Delete what a sudden death has left: pictures and feature maps without a row, and parts of files."""
    with database.read() as session:
        gone = list(session.scalars(select(CollectionRow.id).where(CollectionRow.kind == GONE)))
    for collection_id in gone:
        drop_collection(database, collection_id)
    with database.read() as session:
        database.maps.sweep(session)
    database.pictures.sweep()
    for note, hashes in database.pictures.settled_notes():
        drop_pictures(database, hashes, note)
