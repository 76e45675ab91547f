"""Visitors of a public page: when each came last, and how much each keeps."""

from sqlalchemy import delete, func, select, update

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


def last_seen(database: Database) -> float | None:
    """When anybody came last; None where nobody ever did."""
    with database.read() as session:
        return session.scalar(select(func.max(VisitorRow.seen_at)))


def put_off(database: Database, seconds: float) -> None:
    """Note of every visitor that they came so much later."""
    with database.write("visitors") as session:
        session.execute(update(VisitorRow).values(seen_at=VisitorRow.seen_at + seconds))


def forget_visitor(database: Database, owner: str, before: float) -> None:
    """Delete a visitor, unless they have come again since a time."""
    with database.write() as session:
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
