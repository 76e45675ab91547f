"""A PostgreSQL server of the tests' own: a private cluster in a temporary folder, on loopback, gone when they end."""

import getpass
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

from sqlalchemy import create_engine

from engine.storage.schema import Base
from tests.health import free_port

# Debian's layout; elsewhere the programs are on the PATH, and the extension is wherever pg_config says.
DEBIAN = Path("/usr/lib/postgresql")
SPEED = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
ROOM = {"max_connections": "300", "shared_buffers": "128MB", "listen_addresses": "127.0.0.1"}


def programs() -> Path | None:
    """The folder of the newest server's programs that has pgvector; None where there is none."""
    versions = sorted(DEBIAN.glob("*"), key=lambda path: float(path.name), reverse=True)
    for version in versions:
        if Path("/usr/share/postgresql", version.name, "extension", "vector.control").is_file():
            return version / "bin"
    if config := shutil.which("pg_config"):
        told = subprocess.run([config, "--sharedir", "--bindir"], capture_output=True, text=True, check=True)
        share, binaries = (Path(line) for line in told.stdout.split("\n")[:2])
        if (share / "extension" / "vector.control").is_file() and (binaries / "initdb").is_file():
            return binaries
    return None


class Cluster:
    """A running server, and the databases made in it."""

    def __init__(self, port: int, restart: Callable[[], None]) -> None:
        """Args: restart: stops the server at once, as a crash does, and starts it again."""
        self._port = port
        self.restart = restart
        self._made = 0

    def url(self, database: str) -> str:
        """Where a database is, as TGEM_DATABASE_URL has it."""
        return f"postgresql+psycopg://tgem@127.0.0.1:{self._port}/{database}"

    def create(self) -> str:
        """The URL of a new database."""
        self._made += 1
        self.run(self.url("postgres"), f"CREATE DATABASE test_{self._made}")
        return self.url(f"test_{self._made}")

    def drop(self, url: str) -> None:
        """Delete a database, whoever is in it."""
        self.run(self.url("postgres"), f"DROP DATABASE IF EXISTS {_name(url)} WITH (FORCE)")

    def empty(self, url: str) -> None:
        """Delete all rows of a database, and the indexes that searches made; whoever is in it is thrown out."""
        self.run(
            url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
            f"TRUNCATE {', '.join(Base.metadata.tables)} RESTART IDENTITY",
            "DO $$ BEGIN EXECUTE coalesce((SELECT string_agg('DROP INDEX ' || indexname, ';') FROM pg_indexes "
            "WHERE strpos(indexdef, 'USING hnsw') > 0), 'SELECT 1'); END $$",
        )

    def run(self, url: str, *statements: str) -> None:
        """Execute statements in a database."""
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()


def _name(url: str) -> str:
    return url.rpartition("/")[2]


@contextmanager
def cluster(binaries: Path, settings: dict[str, str] | None = None) -> Iterator[Cluster]:
    """A server in a folder of its own, run by a user without rights: PostgreSQL refuses to be root."""
    folder = Path(mkdtemp(prefix="tgem-postgres-", dir="/tmp"))  # a short path: sockets have no room for a long one
    user = "postgres" if os.geteuid() == 0 else getpass.getuser()
    if os.geteuid() == 0:
        shutil.chown(folder, user, user)
    port = free_port()
    options = {**SPEED, **ROOM, "port": str(port), "unix_socket_directories": str(folder), **(settings or {})}

    def run(*command: str) -> None:
        # Its log, not a pipe: the server would hold that open.
        done = subprocess.run(
            [str(binaries / command[0]), *command[1:]],
            user=user if os.geteuid() == 0 else None,
            group=user if os.geteuid() == 0 else None,
            extra_groups=[] if os.geteuid() == 0 else None,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if command[0] == "initdb" else subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            log = folder / "log"
            said = (done.stderr or b"").decode() or (log.read_text("utf-8") if log.is_file() else "")
            raise RuntimeError(f"{command[0]} failed: {' '.join(said.split())[-500:]}")

    data = str(folder / "data")
    try:
        run("initdb", "-D", data, "-U", "tgem", "-A", "trust", "-E", "UTF8", "--no-sync")
        told = " ".join(f"-c {name}={value}" for name, value in options.items())
        run("pg_ctl", "-D", data, "-l", str(folder / "log"), "-o", told, "-w", "-t", "30", "start")
        try:
            again = ("pg_ctl", "-D", data, "-m", "immediate", "-l", str(folder / "log"), "-o", told, "-w", "restart")
            yield Cluster(port, partial(run, *again))
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
