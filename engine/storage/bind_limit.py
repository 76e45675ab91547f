"""Statements over many values, in parts: SQLite binds 32,766 variables at most, PostgreSQL 65,535."""

from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Delete, Select, Update
from sqlalchemy.orm import InstrumentedAttribute, Session

if TYPE_CHECKING:
    from typing_extensions import Unpack

MOST_VALUES = 30_000

T = TypeVar("T")


def rows_of(
    session: Session,
    query: "Select[Unpack[tuple[Any, ...]]]",
    column: InstrumentedAttribute[T],
    values: Collection[T],
) -> list[Any]:
    """The rows of a query whose column has one of these values, in the order of the parts."""
    parts = (session.execute(query.where(column.in_(part))) for part in _parts(list(values)))
    return list(chain.from_iterable(parts))


def change_rows(
    session: Session, change: Update | Delete, column: InstrumentedAttribute[T], values: Collection[T]
) -> None:
    """Update or delete the rows whose column has one of these values."""
    for part in _parts(list(values)):
        session.execute(change.where(column.in_(part)))


def _parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    return (values[start : start + MOST_VALUES] for start in range(0, len(values), MOST_VALUES))
