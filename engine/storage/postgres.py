"""A PostgreSQL database with pgvector: connected to, checked, and its complaints put in a sentence."""

from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from engine.utils.errors import HostProblem, first_line

NEEDS = (0, 8)  # pgvector's first version that goes on looking where a filter leaves an HNSW index short
WAIT = "30s"  # how long a statement waits for another one's lock
NO_CONNECTION = ("too many connections", "too many clients", "connection slots")  # is left: what the server says then
ABSENT = {"connect_timeout": 5, "tcp_user_timeout": 10_000}  # s and ms until a server that is gone is taken for it


class PostgresUnusable(HostProblem):
    """What a PostgreSQL database needs is not there."""


def connect(url: URL) -> Engine:
    """An engine whose transactions read one snapshot, as SQLite's do; raises PostgresUnusable without the driver."""
    try:
        import pgvector  # noqa: F401

        driven = url.set(drivername="postgresql+psycopg")
        engine = create_engine(driven, isolation_level="REPEATABLE READ", pool_pre_ping=True, connect_args=ABSENT)
    except ModuleNotFoundError as error:
        raise PostgresUnusable(
            f"A database on PostgreSQL needs the package {error.name}; `pip install -r requirements-postgres.txt` "
            "brings it."
        ) from error
    event.listen(engine, "connect", _require_unicode, insert=True)  # before what SQLAlchemy reads, which would fail
    event.listen(engine, "connect", _set_up)
    return engine


def require_pgvector(connection: Connection) -> None:
    """Put pgvector into the database where it is not yet; raises PostgresUnusable where it cannot be used."""
    version = text("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
    if connection.scalar(version) is None:
        try:
            connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
        except DBAPIError as error:
            raise PostgresUnusable(
                f"{place(connection.engine)} has no pgvector ({reason(error)}); install it on the server (Debian: "
                "postgresql-17-pgvector), and let a superuser run CREATE EXTENSION vector in that database."
            ) from error
    found = str(connection.scalar(version))
    if tuple(map(int, found.split(".")[:2])) < NEEDS:
        raise PostgresUnusable(
            f"{place(connection.engine)} has pgvector {found}, and {'.'.join(map(str, NEEDS))} is needed; upgrade it "
            "on the server, then run ALTER EXTENSION vector UPDATE in that database."
        )
    if connection.scalar(text("SELECT to_regtype('vector')")) is None:
        raise PostgresUnusable(
            f"{place(connection.engine)} has pgvector in a schema that is not searched; put that schema on the role's "
            "search_path."
        )


def sentence(engine: Engine, error: DBAPIError) -> str:
    """What to tell a person of an error, and what to do."""
    if any(words in reason(error) for words in NO_CONNECTION):
        return f"{place(engine)} is busy with other work ({reason(error)}); try again later."
    said = f"{place(engine)} cannot be used ({reason(error)})"
    if getattr(error.orig, "sqlstate", None) is not None:  # the server runs, and has let us in
        return f"{said}."
    return f"{said}; see that the server runs, and that TGEM_DATABASE_URL names it and someone who may use it."


def place(engine: Engine) -> str:
    """Which database that is, without the password."""
    return f"The database {engine.url.database or ''} on {engine.url.host or 'this machine'}"


def reason(error: DBAPIError) -> str:
    """The first line of what PostgreSQL said."""
    return first_line(error.orig or error).rstrip(".")


def _require_unicode(connection: Any, _: object) -> None:
    """Raise PostgresUnusable where the database cannot keep every name."""
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise PostgresUnusable(
            f"The database {connection.info.dbname} is encoded in {encoding}; make one with `createdb --encoding=UTF8 "
            "--template=template0`."
        )


def _set_up(connection: Any, _: object) -> None:
    connection.execute(f"SET lock_timeout = '{WAIT}'")
    connection.execute("SET jit = off")  # our queries take less time than compiling them would
    connection.commit()
