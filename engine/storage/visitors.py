"""Visitors of a public page: when each came last, and how much each keeps."""

from sqlalchemy import case, delete, func, select, update

from engine.storage.database import Database
from engine.storage.schema import CollectionRow, ImageRow, VisitorRow


def mark_seen(database: Database, owner: str, now: float) -> None:
    """Note that a visitor is here now."""
    with database.write("visitors") as session:
        session.merge(VisitorRow(owner=owner, seen_at=now))


def unseen_since(database: Database, before: float) -> list[str]:
    """The visitors who came last before a time."""
    with database.read() as session:
        return list(session.scalars(select(VisitorRow.owner).where(VisitorRow.seen_at < before)))


def last_seen(database: Database, owner: str | None = None) -> float | None:
    """When a visitor came last, or anybody; in seconds since the epoch, None where that never was."""
    last = select(func.max(VisitorRow.seen_at))
    with database.read() as session:
        return session.scalar(last if owner is None else last.where(VisitorRow.owner == owner))


def put_off(database: Database, seconds: float, now: float) -> None:
    """Note of all visitors that they came so much later, but nobody later than now."""
    later = VisitorRow.seen_at + seconds
    with database.write("visitors") as session:
        session.execute(update(VisitorRow).values(seen_at=case((later < now, later), else_=now)))


def forget_visitor(database: Database, owner: str, before: float) -> None:
    """Delete a visitor, unless they have come again since a time."""
    with database.write("visitors") as session:
        session.execute(delete(VisitorRow).where(VisitorRow.owner == owner, VisitorRow.seen_at < before))


def usage(database: Database, owner: str) -> tuple[int, int]:
    """How many photos an owner keeps in all their collections, and the bytes of their files as they came."""
    kept = (
        select(func.count(), func.coalesce(func.sum(ImageRow.bytes), 0))
        .join(CollectionRow, CollectionRow.id == ImageRow.collection_id)
        .where(CollectionRow.owner == owner)
    )
    with database.read() as session:
        photos, size = session.execute(kept).one()
    return photos, size
