"""Restores a store from a backup: looked at whole before anything is changed, and switched to in small, safe steps.

The new store is laid out in a folder of the data folder. Once that is whole, it gets a name that keeps the store closed
until the switch is over: a death before leaves the old store, one after is mended by any further restore.
"""

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from sqlalchemy import URL, create_engine

from engine.storage.backup_folder import DATABASE, KEPT, PICTURES, BackupFolder, BackupUnusable, Manifest, copy, digest
from engine.storage.database import RESTORING, NewerDatabase, StoreUnusable, database_url, read_url, revisions
from engine.utils.data_dir import home
from engine.utils.errors import EngineError, on_disk

STORE = (DATABASE, PICTURES, "maps", "doubts", *KEPT)  # what the store of a data folder consists of
LOGS = (f"{DATABASE}-wal", f"{DATABASE}-shm")  # parts of a database in use
NEW, OLD = "new", "old"  # folders below the one that a restore works in


class RestoreRefused(EngineError):
    """A store is in the way of a restore, or in use."""


@dataclass(frozen=True)
class Restored:
    """What a restore did."""

    backup: Manifest | None  # None: it finished one that had been stopped
    aside: Path | None  # holds the store that was there before


def restore(
    folder: Path, replace: bool = False, on_progress: Callable[[int, int], object] = lambda done, all: None
) -> Restored:
    """Make a backup's store the one of the data folder.

    Args:
        replace: a store that is there is put aside.
        on_progress: told how many files of how many.
    Raises: BackupUnusable for a damaged backup, RestoreRefused, StoreUnusable for a full disk, HomeUnwritable.
    """
    data = home()
    if Path(read_url(database_url(data)).database or "") != data / DATABASE:
        raise RestoreRefused("TGEM_DATABASE_URL names another database; unset it: a restore fills TGEM_HOME alone.")
    try:
        if (data / RESTORING).exists():
            return Restored(None, _switch(data))
        place = BackupFolder(folder)
        with place.alone():
            manifest = place.read()
            _require_room(data, replace)
            stage = data / f"{RESTORING}.part"
            try:
                _lay_out(place, manifest, stage, on_progress)
                _require_known(place, stage / NEW / DATABASE)
                _close_store(stage, data, replace)
            finally:
                shutil.rmtree(stage, ignore_errors=True)  # where it is still there: on a full disk it takes up room
        return Restored(manifest, _switch(data))
    except OSError as error:
        raise StoreUnusable(
            f"The backup cannot be restored into {data} ({on_disk(error)}); make room there, see that "
            "all files of the backup can be read, and run it again."
        ) from error


def _require_room(data: Path, replace: bool) -> None:
    """Raise RestoreRefused where a store is there that may not be put aside, or that somebody uses."""
    if any((data / name).exists() for name in STORE):
        if not replace:
            raise RestoreRefused(
                f"{data} holds a store already; put it aside with --replace, or set TGEM_HOME to an empty folder."
            )
        if _in_use(data / DATABASE):
            raise RestoreRefused(f"The store in {data} is in use; stop the page and its commands, then restore.")


def _in_use(database: Path) -> bool:
    """Whether others have a database open, as far as SQLite can tell; one that is damaged is in nobody's use."""
    if not database.is_file():
        return False
    try:
        with closing(sqlite3.connect(database, timeout=0)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")  # which takes being alone; the next start turns it back
    except sqlite3.OperationalError as error:
        return "locked" in str(error)
    except sqlite3.DatabaseError:
        pass
    return False


def _lay_out(place: BackupFolder, manifest: Manifest, stage: Path, on_progress: Callable[[int, int], object]) -> None:
    """Copy all files of a backup into a folder beside the store; raises BackupUnusable where they are not whole."""
    shutil.rmtree(stage, ignore_errors=True)
    for done, (path, kept) in enumerate(manifest.files.items(), 1):
        file, target = place.place(kept.sha256), stage / NEW / path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            copy(file, target, link=path.startswith(f"{PICTURES}/"))
        except FileNotFoundError:
            whole = False
        else:
            whole = digest(target) == kept
        if not whole:
            raise BackupUnusable(
                f"The backup in {place.path} is damaged: {path} is {'not as it was' if file.exists() else 'gone'}; "
                "nothing was restored. Use another backup."
            )
        on_progress(done, len(manifest.files))
    for name in (PICTURES, "maps", "doubts"):  # in whose place nothing of the old store may stay
        (stage / NEW / name).mkdir(mode=0o700, exist_ok=True)


def _require_known(place: BackupFolder, database: Path) -> None:
    """Raise BackupUnusable for a database that only a newer version of this program can read."""
    engine = create_engine(URL.create("sqlite", database=str(database)))
    try:
        with engine.connect() as connection:
            revisions(connection)
    except NewerDatabase as error:
        raise BackupUnusable(
            f"The backup in {place.path} was made by a newer version of this program; upgrade it with `git pull`, then "
            "restore again."
        ) from error
    finally:
        engine.dispose()


def _close_store(stage: Path, data: Path, replace: bool) -> None:
    """Give the folder of a new store the name that keeps others out; raises RestoreRefused where one is in already."""
    stage.replace(data / RESTORING)
    try:
        _require_room(data, replace)  # once more: copying takes time, and the store was open
    except RestoreRefused:
        (data / RESTORING).replace(stage)  # in one step: half of it must never be taken for a store
        raise


def _switch(data: Path) -> Path | None:
    """Put the old store aside and the new one in its place; goes on where an earlier call was stopped.

    Returns: where the old store is, or None where there was none.
    """
    new, old = data / RESTORING / NEW, data / RESTORING / OLD
    old.mkdir(mode=0o700, exist_ok=True)
    for name in STORE:
        if (new / name).exists():
            for part in (name, *(LOGS if name == DATABASE else ())):
                if (data / part).exists():
                    (data / part).replace(old / part)
            (new / name).replace(data / name)
    aside = None
    if any(old.iterdir()):
        aside = old.replace(data / f"replaced-{time.strftime('%Y%m%d-%H%M%S')}-{uuid4().hex[:4]}")
    shutil.rmtree(data / RESTORING)
    return aside
