"""A column of vectors: bytes in SQLite, pgvector's type in PostgreSQL. Our code sees float32 bytes either way."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Dialect, LargeBinary, func
from sqlalchemy.types import TypeEngine, UserDefinedType


class PgVector(UserDefinedType[bytes]):
    """pgvector's `vector` without a dimension: collections of several models stand in one table.

    Written as text, which is all that PostgreSQL casts from; read in pgvector's binary form, which is quicker by far.
    """

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The type's name in SQL."""
        return "VECTOR"

    def bind_processor(self, dialect: Dialect) -> Callable[[bytes | None], str | None]:
        """From float32 bytes to pgvector's text."""
        from pgvector import Vector  # needed where the database is PostgreSQL only

        return lambda value: None if value is None else Vector(np.frombuffer(value, np.float32)).to_text()

    def column_expression(self, colexpr: ColumnElement[bytes]) -> ColumnElement[bytes]:
        """What a query reads of the column."""
        return func.vector_send(colexpr, type_=self)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[bytes | None], bytes | None]:
        """From pgvector's binary form to float32 bytes."""
        from pgvector import Vector

        return lambda value: None if value is None else Vector.from_binary(value).to_numpy().tobytes()


def vector_type() -> TypeEngine[bytes]:
    """The type of a column of float32 vectors."""
    return LargeBinary().with_variant(PgVector(), "postgresql")
