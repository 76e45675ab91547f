"""The database: opened, brought up to date by the migrations, read from and written to. It is the truth.

Indexes are made from it. It is a SQLite file, or PostgreSQL where TGEM_DATABASE_URL names one (see
`engine.storage.postgres`).
"""

import errno
import math
import os
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from json import JSONDecodeError
from pathlib import Path
from typing import Any, Literal

import alembic.command
import alembic.config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError
from sqlalchemy.exc import TimeoutError as NoneFree
from sqlalchemy.orm import Session

from engine.storage import postgres
from engine.storage.feature_map_files import FeatureMapFiles
from engine.storage.picture_files import PictureFiles
from engine.storage.spare_room import SpareRoom
from engine.utils.atomic_files import PRIVATE
from engine.utils.data_dir import home
from engine.utils.errors import HostProblem
from engine.utils.paths import MIGRATIONS

BUSY_SECONDS = 10.0  # how long a writer waits for another one's transaction

CHECKED = 100_000_000  # bytes of a SQLite file that is looked through when it is opened: a few tenths of a second
UNUSABLE = "mend or move it, make room on its disk, or name another place by TGEM_HOME (TGEM_DATABASE_URL, where set)."
BUSY = "another program writes to it: stop that one, or try again when it is done."
DAMAGED = (
    "it is damaged: stop what uses it, then `python -m engine restore BACKUP --replace` brings the last backup back "
    "and keeps the damaged file."
)
RESTORING = "restoring"  # a folder in the data folder while a restore puts one store in another's place

# What one process at a time may do to a PostgreSQL database that several share.
Lock = Literal["migrations", "names", "visitors", "pictures"]


class StoreUnusable(HostProblem):
    """The database or a picture file cannot be read or written."""


class NewerDatabase(HostProblem):
    """The database was written by a newer version of this program."""


class Database:
    """The database of one data folder and the files that its rows name; safe to use from many threads and processes.

    Each use is one short session, and each change is one transaction. A change of a collection holds its row from the
    start: such changes come one after another, whatever process they come from.
    """

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine, self._writing = engine, for_writing(engine)
        self._file = _file_of(engine)
        self.pictures = PictureFiles(folder / "pictures")
        self.maps = FeatureMapFiles(folder / "maps")
        self.spare_room = SpareRoom(folder)
        self.swept_at = -math.inf  # seconds of the monotonic clock

    @classmethod
    def open(cls, folder: Path | None = None) -> "Database":
        """The database of a data folder (by default `home()`), its tables brought up to date.

        Raises: HomeUnwritable, NewerDatabase, StoreUnusable.
        """
        folder = folder or home()
        if (folder / RESTORING).exists():
            raise StoreUnusable(
                f"A restore of {folder} was stopped half-way; `python -m engine restore BACKUP` finishes it."
            )
        with suppress(OSError):  # which opening it says
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        engine = connect(database_url(folder))
        require_whole(engine)
        migrate(engine)
        return cls(engine, folder)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def empty_log(self) -> None:
        """Bring SQLite's log into its file: until then the log holds what was deleted; raises StoreUnusable."""
        if self._engine.dialect.name == "sqlite":
            with self.explaining_errors(), closing(self._engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @property
    def vector_search(self) -> Engine | None:
        """The engine, where the database itself can search vectors: PostgreSQL."""
        return self._engine if self._engine.dialect.name == "postgresql" else None

    def explaining_errors(self) -> AbstractContextManager[None]:
        """Raises StoreUnusable for an error of the database or disk, and where another file has the name of SQLite's.

        SQLite would go on in a file without a name, and what is added would be lost with the process.
        """
        if _file_of(self._engine) != self._file:
            raise StoreUnusable(
                f"The data in {self._engine.url.database} was deleted or replaced, or its disk is gone; start the "
                "program again."
            )
        return explaining_errors(self._engine)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one state of the database; raises StoreUnusable."""
        with self.explaining_errors(), Session(self._engine) as session:
            yield session

    @contextmanager
    def write(self, lock: Lock | None = None) -> Iterator[Session]:
        """A session that is committed as one transaction, or not at all; raises StoreUnusable.

        Args: lock: taken first, and held until the end.
        """
        # Rows stay readable after the commit, when they are handed out.
        with self.explaining_errors(), Session(self._writing, expire_on_commit=False) as session, session.begin():
            if lock is not None:
                take_lock(session.connection(), lock)
            yield session


def _file_of(engine: Engine) -> tuple[int, int] | None:
    """Which file has the name of SQLite's; None: none has, or the database is none of SQLite's."""
    if engine.dialect.name != "sqlite":
        return None
    with suppress(OSError):
        about = os.stat(engine.url.database or "")
        return about.st_dev, about.st_ino
    return None


def database_url(folder: Path) -> str | URL:
    """$TGEM_DATABASE_URL, or the SQLite file in the data folder, whose path may hold what is special in a URL."""
    return os.environ.get("TGEM_DATABASE_URL") or URL.create("sqlite", database=str(folder / "tgem.db"))


def read_url(text: str | URL) -> URL:
    """What names a database; raises StoreUnusable for what names none, or one of another kind, or in memory."""
    with suppress(ArgumentError, ValueError):  # ValueError: of a port that is no number
        url = make_url(text)
        if "@" in f"{url.host}{url.database}" and url.get_backend_name() == "postgresql":  # not to be repeated anywhere
            raise StoreUnusable(
                "A database's URL (TGEM_DATABASE_URL) names its user and password before the one @; write what is "
                "special in them with percent signs: %40 for an @, %2F for a slash."
            )
        if url.get_backend_name() == "postgresql":
            return url
        if _names_file(url):
            url.get_dialect()().create_connect_args(url)  # ValueError: of an option that is no number
            return url
    raise StoreUnusable(
        "A database's URL (TGEM_DATABASE_URL) must name a SQLite file, like sqlite:////folder/tgem.db, or a PostgreSQL "
        "database, like postgresql+psycopg://user@host/database."
    )


def _names_file(url: URL) -> bool:
    """Whether a URL names a SQLite file, for the driver that waits: after two slashes there is a host, not a folder."""
    ours = url.drivername in ("sqlite", "sqlite+pysqlite")
    return ours and not url.host and url.database not in (None, "", ":memory:")


def connect(url: str | URL) -> Engine:
    """An engine for a database; raises StoreUnusable for a URL of another kind, PostgresUnusable without its driver.

    Readers never wait: they see the database as it was when their transaction began. SQLite's writers wait for their
    turn when their transaction begins, PostgreSQL's for the rows and the locks that they take.
    """
    read = read_url(url)
    if read.get_backend_name() == "postgresql":
        return postgres.connect(read)
    if not read.query:  # or the name may be one for SQLite to read
        _make_private(Path(read.database or ""))
    engine = create_engine(read, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    return engine


def _make_private(file: Path) -> None:
    """Have a SQLite file read by this user alone, and its log, which takes after it."""
    with suppress(OSError):  # opening it says why
        if not file.exists():
            file.touch(PRIVATE)
        elif file.is_file() and file.stat().st_mode & 0o007:  # as earlier editions left it; for a group it was opened
            file.chmod(PRIVATE)


def for_writing(engine: Engine) -> Engine:
    """The same engine for transactions that write; SQLite's take the write lock as they begin.

    SQLite refuses at once, without waiting, a transaction that has read and then writes after another one's commit.
    """
    if engine.dialect.name == "postgresql":  # statements see what others have committed once a lock of theirs is free
        return engine.execution_options(isolation_level="READ COMMITTED")
    return engine.execution_options(tgem_writes=True)


def take_lock(connection: Connection, lock: Lock, shared: bool = False) -> None:
    """Take an advisory lock, which the transaction holds until it ends; SQLite has one writer anyway.

    Args: shared: several transactions may hold it that take it so.
    """
    if connection.dialect.name == "postgresql":
        take = func.pg_advisory_xact_lock_shared if shared else func.pg_advisory_xact_lock
        connection.execute(select(take(zlib.crc32(f"tgem {lock}".encode()))))


def require_whole(engine: Engine) -> None:
    """Raise StoreUnusable for a SQLite file whose pages do not fit together; a large one shows that when it is used."""
    file = Path(engine.url.database or "")
    if engine.dialect.name != "sqlite" or not os.path.isfile(file) or file.stat().st_size > CHECKED:
        return
    with explaining_errors(engine), engine.connect() as connection:
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if found != "ok":
            said = " ".join(str(found).split())
            raise DatabaseError("PRAGMA quick_check", None, sqlite3.DatabaseError(said))


def migrate(engine: Engine) -> None:
    """Bring the tables up to date, in one transaction; raises NewerDatabase, StoreUnusable."""
    with explaining_errors(engine), for_writing(engine).begin() as connection:
        prepare(connection)
        present, newest = revisions(connection)
        if present != newest:
            config = _migrations()
            config.attributes["connection"] = connection
            alembic.command.upgrade(config, "head")


def revisions(connection: Connection) -> tuple[str | None, str | None]:
    """The revision of a database's tables, None where it has none of ours, and the newest; raises NewerDatabase."""
    script = ScriptDirectory.from_config(_migrations())
    present = MigrationContext.configure(connection).get_current_revision()
    if present is not None and present not in {known.revision for known in script.walk_revisions()}:
        other = "name another database" if connection.dialect.name == "postgresql" else "move the file away"
        raise NewerDatabase(
            f"{connection.engine.url.database} was written by a newer version of this program (revision {present}); "
            f"upgrade the program with `git pull`, or {other} to start anew."
        )
    return present, script.get_current_head()


def _migrations() -> alembic.config.Config:
    config = alembic.config.Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))  # % begins a substitution
    return config


def prepare(connection: Connection) -> None:
    """Lock out other migrations, and add pgvector to PostgreSQL; raises PostgresUnusable."""
    take_lock(connection, "migrations")
    if connection.dialect.name == "postgresql":
        postgres.require_pgvector(connection)


@contextmanager
def explaining_errors(engine: Engine) -> Iterator[None]:
    """Raise StoreUnusable for an error of the database or the disk: locked, full, read-only, corrupt."""
    try:
        yield
    except (UnicodeDecodeError, JSONDecodeError) as error:  # flipped bytes in a name, say, that SQLite does not look at
        raise StoreUnusable(
            f"The data in {engine.url.database} cannot be used (a text in it cannot be read); {DAMAGED}"
        ) from error
    except NoneFree as error:  # all connections wait for others' changes
        raise StoreUnusable(f"The database {engine.url.database} is busy with other work; try again later.") from error
    except (DatabaseError, OSError) as error:
        if engine.dialect.name == "postgresql" and isinstance(error, DatabaseError):
            raise StoreUnusable(postgres.sentence(engine, error)) from error
        reason = error.orig if isinstance(error, DatabaseError) else error.strerror
        if "is full" in str(reason) or getattr(error, "errno", None) == errno.ENOSPC:
            raise StoreUnusable(
                f"The data in {engine.url.database} cannot grow, for the disk is full; make room on its disk, and "
                "try again: what was finished is kept."
            ) from error
        place = getattr(error, "filename", None) or engine.url.database  # a picture's file, whose folder may be closed
        raise StoreUnusable(f"The data in {place} cannot be used ({reason}); {_mend(error)}") from error


def _mend(error: DatabaseError | OSError) -> str:
    """What to do about an error of SQLite or its disk.

    SQLite's driver raises subclasses for what passes, like a lock or a full disk, and the base for damage.
    """
    found = error.orig if isinstance(error, DatabaseError) else None
    if type(found) is sqlite3.DatabaseError:
        return DAMAGED
    return BUSY if "locked" in str(found) else UNUSABLE


def _set_up(connection: Any, _: object) -> None:
    connection.isolation_level = None  # Python's driver leaves BEGIN to us
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON", "secure_delete = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("tgem_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
