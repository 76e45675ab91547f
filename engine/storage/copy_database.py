"""Copies all rows from one database to another, SQLite or PostgreSQL, and compares both afterwards.

Ids stay, so pictures and feature maps, which are files of the data folder, stay where they are and go on being found.
"""

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, func, insert, select, text

from engine.storage.database import StoreUnusable, connect, explaining_errors, for_writing, migrate, read_url, revisions
from engine.storage.schema import Base
from engine.utils.errors import EngineError

CHUNK = 1000  # rows moved in one transaction, some 3 MB
TABLES: Sequence[Table] = Base.metadata.sorted_tables  # parents first


@dataclass(frozen=True)
class Moved:
    """A table that is the same in both databases."""

    table: str
    rows: int
    new: int  # that this run moved
    checksum: str  # of all rows, in whatever order they lie


def copy_database(
    from_url: str, to_url: str, on_progress: Callable[[int, int], object] = lambda done, rows: None
) -> list[Moved]:
    """Copy all rows to a database that is empty, or that an earlier call has begun to fill.

    One state of the old database is copied, whatever is written to it meanwhile. After a stop the same call goes on.

    Args: on_progress: told how many rows were looked at, of how many; each is looked at again to be compared.
    Raises: EngineError where the new one holds other rows; StoreUnusable, PostgresUnusable, NewerDatabase.
    """
    if read_url(from_url) == read_url(to_url):
        raise EngineError("Both databases are the same one; name another to move to.")
    with (
        _opened_source(from_url) as source,
        _opened(to_url) as target,
        explaining_errors(source),
        source.connect() as old,
    ):
        many = 2 * sum(old.scalar(select(func.count()).select_from(table)) or 0 for table in TABLES)
        done = 0

        def look(rows: int) -> None:
            nonlocal done
            done += rows
            on_progress(done, many)

        with explaining_errors(target):
            _require_beginning(old, target)
            new = {table.name: _move(old, target, table, look) for table in TABLES}
            with target.connect() as now:
                return [_compared(old, now, table, new[table.name], look) for table in TABLES]


@contextmanager
def _opened_source(url: str) -> Iterator[Engine]:
    """The database to move from with its tables brought up to date, a SQLite file's in a copy of it.

    Raises: StoreUnusable where it is not there or not ours, NewerDatabase.
    """
    file = Path(read_url(url).database or "")
    sqlite = read_url(url).get_backend_name() == "sqlite"
    if sqlite and not os.path.isfile(file):
        raise StoreUnusable(f"There is no database {file}; name the one to move from.")
    found = create_engine(url) if sqlite else connect(url)  # ours would change the mode of a stranger's file
    with ExitStack() as context:
        context.callback(found.dispose)
        with explaining_errors(found), found.connect() as connection:
            present, newest = revisions(connection)
            if present is None:
                raise StoreUnusable(f"{found.url.database} holds no galleries; name the database to move from.")
            if sqlite and present != newest:
                copy = Path(context.enter_context(TemporaryDirectory()), "old.db")
                _copy(connection, copy)
                url = URL.create("sqlite", database=str(copy)).render_as_string()
        yield context.enter_context(_opened(url))


def _copy(connection: Connection, place: Path) -> None:
    """Copy one state of a SQLite database; raises StoreUnusable."""
    try:
        with closing(sqlite3.connect(place)) as copy:
            connection.connection.driver_connection.backup(copy)  # type: ignore[union-attr]
    except sqlite3.DatabaseError as error:
        raise StoreUnusable(
            f"{connection.engine.url.database} could not be copied to {place}, to be brought up to date there "
            f"({error}); make room, or name another folder by TMPDIR."
        ) from error


@contextmanager
def _opened(url: str) -> Iterator[Engine]:
    """A database with its tables brought up to date."""
    engine = connect(url)
    if engine.dialect.name == "postgresql":  # each side waits, its transaction open, while the other one reads
        event.listen(engine, "connect", _outlast)
    try:
        migrate(engine)
        yield engine
    finally:
        engine.dispose()


def _outlast(connection: Any, _: object) -> None:
    connection.execute("SET idle_in_transaction_session_timeout = 0")
    connection.commit()


def _require_beginning(old: Connection, target: Engine) -> None:
    """Raise EngineError where the target holds other galleries than those that are moved."""
    collections = Base.metadata.tables["collections"]
    moving = {row.id: tuple(row) for row in old.execute(select(collections))}
    with target.connect() as connection:
        for row in connection.execute(select(collections)):
            if moving.get(row.id) != tuple(row):
                raise EngineError(
                    f'The database to move to holds a gallery "{row.name}" that is not the same in the one to move '
                    "from; name an empty database."
                )


def _move(old: Connection, target: Engine, table: Table, look: Callable[[int], None]) -> int:
    """Copy the rows of a table that are not there yet; returns how many those were."""
    key = next(iter(table.primary_key))
    moved, after = 0, None
    while True:
        page = select(key).order_by(key).limit(CHUNK)
        keys = old.scalars(page if after is None else page.where(key > after)).all()
        if not keys:
            break
        after = keys[-1]
        with for_writing(target).begin() as connection:
            missing = set(keys) - set(connection.scalars(select(key).where(key.in_(keys))))
            if missing:
                rows = old.execute(select(table).where(key.in_(missing)).order_by(key)).mappings()
                connection.execute(insert(table), [dict(row) for row in rows])
        moved += len(missing)
        look(len(keys))
    if key.name == "id":
        with for_writing(target).begin() as connection:
            _continue_ids(connection, table, _last_id(old, table))
    return moved


def _last_id(connection: Connection, table: Table) -> int:
    """The last id that a table has given, whether its row is still there or not."""
    last = connection.scalar(select(func.max(table.c.id))) or 0
    if connection.dialect.name == "postgresql":
        given = text(f"SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('{table.name}', 'id')), 0)")
    else:
        given = text(f"SELECT seq FROM sqlite_sequence WHERE name = '{table.name}'")
    return max(last, connection.scalar(given) or 0)


def _continue_ids(connection: Connection, table: Table, last: int) -> None:
    """Have a table give ids above this one."""
    if last and connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), {last})"))
    elif last:
        connection.execute(
            text(f"UPDATE sqlite_sequence SET seq = {last} WHERE name = '{table.name}' AND seq < {last}")
        )


def _compared(old: Connection, now: Connection, table: Table, new: int, look: Callable[[int], None]) -> Moved:
    """A table of both databases; raises EngineError where they differ."""
    there, here = _checksum(old, table, look), _checksum(now, table, lambda rows: None)
    if there != here:
        raise EngineError(
            f"{table.name} are not the same in both databases after the move ({there[0]} rows in the old one, "
            f"{here[0]} in the new one). The old one is as it was; was the new one in use? Empty it, and move again."
        )
    return Moved(table.name, here[0], new, here[1])


def _checksum(connection: Connection, table: Table, look: Callable[[int], None]) -> tuple[int, str]:
    """How many rows, and the sum of their hashes: databases sort text differently."""
    count = total = 0
    streamed = connection.execution_options(yield_per=CHUNK).execute(select(table))
    for rows in streamed.partitions():
        total += sum(_hash(tuple(row)) for row in rows)
        count += len(rows)
        look(len(rows))
    return count, f"{total % 2**256:064x}"


def _hash(row: tuple[Any, ...]) -> int:
    return int.from_bytes(hashlib.sha256(repr(row).encode()).digest(), "big")
