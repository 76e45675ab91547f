"""The SQLite file: where it is, how we talk to it, and its tables brought up to date."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError

from engine.errors import EngineError

MIGRATIONS = Path(__file__).parents[1] / "migrations"
BUSY_SECONDS = 10.0  # how long a writer waits for another one's transaction


class StoreUnusable(EngineError):
    """The database or a picture file cannot be read or written."""


class NewerDatabase(EngineError):
    """The database was written by a newer version of this program."""


def database_url(folder: Path) -> str:
    """$TGEM_DATABASE_URL, or the SQLite file in the data folder."""
    return os.environ.get("TGEM_DATABASE_URL") or f"sqlite:///{folder / 'tgem.db'}"


def connect(url: str) -> Engine:
    """An engine whose transactions are SQLite's own; raises StoreUnusable for a URL of any other database.

    Readers never wait (write-ahead log). A writer waits for its turn when its transaction begins.
    """
    try:
        backend = make_url(url).get_backend_name()
    except ArgumentError:
        backend = None
    if backend != "sqlite":
        raise StoreUnusable("TGEM_DATABASE_URL must name a SQLite file, like sqlite:////folder/tgem.db.")
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    return engine


def for_writing(engine: Engine) -> Engine:
    """The same engine, whose transactions take the write lock as they begin.

    SQLite refuses at once, without waiting, a transaction that has read and then writes after another one's commit.
    """
    return engine.execution_options(tgem_writes=True)


def migrate(engine: Engine) -> None:
    """Bring the tables up to date, in one transaction; raises NewerDatabase, StoreUnusable."""
    config = alembic.config.Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))  # % begins a substitution
    script = ScriptDirectory.from_config(config)
    with in_a_sentence(engine), for_writing(engine).begin() as connection:
        present = MigrationContext.configure(connection).get_current_revision()
        if present is not None and present not in {known.revision for known in script.walk_revisions()}:
            raise NewerDatabase(
                f"{engine.url.database} was written by a newer version of this program (revision {present}); "
                "upgrade the program with `git pull`, or move the file away to start anew."
            )
        if present != script.get_current_head():
            config.attributes["connection"] = connection
            alembic.command.upgrade(config, "head")


@contextmanager
def in_a_sentence(engine: Engine) -> Iterator[None]:
    """Raise StoreUnusable for what SQLite and the disk complain of: locked, full, read-only, corrupt."""
    try:
        yield
    except (DatabaseError, OSError) as error:
        reason = error.orig if isinstance(error, DatabaseError) else error.strerror
        raise StoreUnusable(
            f"The data in {engine.url.database} cannot be used ({reason}); mend or move that file, make room on its "
            "disk, or set TGEM_HOME to another folder."
        ) from error


def _set_up(connection: Any, _: object) -> None:
    connection.isolation_level = None  # Python's driver leaves BEGIN to us
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("tgem_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
