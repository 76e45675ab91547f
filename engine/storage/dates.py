"""Images by the date they were taken: in its order, and by its year."""

from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import ColumnElement, func, select

from engine.storage.database import Database
from engine.storage.schema import ImageRow

Order = Literal["arrival", "newest", "oldest"]  # the first: that in which they came
UNDATED = 0  # stands for a year, of images without a date


def in_order(order: Order) -> Sequence[ColumnElement[Any]]:
    """What to sort images by; those without a date come last."""
    taken: dict[str, list[ColumnElement[Any]]] = {
        "arrival": [],
        "newest": [ImageRow.taken_at.desc().nulls_last()],
        "oldest": [ImageRow.taken_at.asc().nulls_last()],
    }
    return [*taken[order], ImageRow.id.asc()]


def of_year(year: int | None) -> Sequence[ColumnElement[bool]]:
    """Conditions on images: taken in a year, or UNDATED; none for None."""
    if year is None:
        return []
    if year == UNDATED:
        return [ImageRow.taken_at.is_(None)]
    return [ImageRow.taken_at >= f"{year:04}", ImageRow.taken_at < f"{year + 1:04}"]


def count_years(database: Database, collection_id: int) -> dict[int, int]:
    """How many images of a collection were taken in each year, the latest first; UNDATED ones last."""
    year = func.substr(ImageRow.taken_at, 1, 4)
    counted = select(year, func.count()).where(ImageRow.collection_id == collection_id).group_by(year)
    with database.read() as session:
        found = {int(key or UNDATED): count for key, count in session.execute(counted)}
    return dict(sorted(found.items(), reverse=True))


def taken_in(database: Database, collection_id: int, year: int) -> list[int]:
    """Ids of a collection's images of a year, or of the UNDATED ones."""
    wanted = select(ImageRow.id).where(ImageRow.collection_id == collection_id, *of_year(year))
    with database.read() as session:
        return list(session.scalars(wanted))
