"""Backs up a running store: one state of its database, and the files that it names."""

import errno
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from engine.storage.backup_folder import (
    DATABASE,
    FILES,
    KEPT,
    LOCK,
    MANIFEST,
    PICTURES,
    BackupFolder,
    BackupUnusable,
    KeptFile,
    Manifest,
)
from engine.storage.database import BUSY_SECONDS, RESTORING, StoreUnusable, database_url, read_url
from engine.utils.atomic_files import PRIVATE
from engine.utils.data_dir import home
from engine.utils.errors import EngineError, on_disk

TRIES = 5  # snapshots, while photos are deleted beside the backup


class BackupRefused(EngineError):
    """There is nothing that could be backed up in this way, or the place for it holds other things."""


@dataclass(frozen=True)
class BackedUp:
    """What a backup holds now."""

    photos: int
    files: int
    bytes: int
    new_files: int  # that the last backup did not have
    new_bytes: int
    lost_pictures: int  # photos whose picture was gone before


@dataclass
class _Backup:
    """One backup on its way."""

    folder: BackupFolder
    home: Path
    on_progress: Callable[[int, int], object]
    files: dict[str, KeptFile] = field(default_factory=dict)
    new_files: int = 0
    new_bytes: int = 0

    def keep(self, path: str, link: bool) -> bool:
        """Keep a file of the data folder; False where it is gone."""
        if path in self.files:
            return True
        try:
            kept, new = self.folder.keep(self.home / path, link)
        except FileNotFoundError:
            return False
        self.note(path, kept, new)
        return True

    def note(self, path: str, kept: KeptFile, new: bool) -> None:
        """Have the manifest name a file."""
        self.files[path] = kept
        self.new_files += new
        self.new_bytes += kept.bytes * new

    def keep_pictures(self, hashes: list[str]) -> list[str]:
        """Keep the pictures of these photos; returns those that are gone."""
        gone = []
        for done, content_hash in enumerate(hashes, 1):
            if not self.keep(picture_path(content_hash), link=True):
                gone.append(content_hash)
            self.on_progress(done, len(hashes))
        return gone

    def carry_over(self, paths: list[str]) -> None:
        """Name files that are gone from the data folder, where the last backup kept them: no other copy is left.

        Raises: BackupUnusable for a damaged manifest, as writing the next one deletes what that does not name.
        """
        if not paths or not (self.folder.path / MANIFEST).exists():
            return
        earlier = self.folder.read().files
        for path in paths:
            if path in earlier and self.folder.place(earlier[path].sha256).is_file():
                self.files[path] = earlier[path]


def back_up(folder: Path, on_progress: Callable[[int, int], object] = lambda done, all: None) -> BackedUp:
    """Bring the backup in a folder up to date; the store may be in use.

    The backup holds one state of the database, the pictures of its photos, the secret that signs addresses, and exits
    that were fitted here. Feature maps, which can be made again, are left out. A picture that the store has lost since
    the last backup stays in it.

    Args:
        folder: an empty one or a new one, or that of an earlier backup of this store.
        on_progress: told how many pictures of how many.
    Raises: BackupRefused; BackupUnusable where the folder cannot be written to; StoreUnusable, HomeUnwritable.
    """
    data = home()
    file = _database_file(data)
    with _explained(folder):
        place = BackupFolder(_place_for(folder, data))
        place.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with place.alone():
            store = _store_of(file)
            _require_own(place, store)
            run = _Backup(place, data, on_progress)
            hashes, lost = _keep_one_state(run, file)
            for path in _beside(data):
                run.keep(path, link=False)
            place.write(Manifest(time.time(), run.files, len(lost), store))
    total = sum(kept.bytes for kept in run.files.values())
    return BackedUp(len(hashes), len(run.files), total, run.new_files, run.new_bytes, len(lost))


def picture_path(content_hash: str) -> str:
    """Where the picture of a photo lies in a data folder."""
    return f"{PICTURES}/{content_hash[:2]}/{content_hash}.jpg"


def _keep_one_state(run: _Backup, file: Path) -> tuple[list[str], list[str]]:
    """Keep the database and its pictures; returns the hashes of all pictures, and of those that are gone.

    A picture that a state names and that is gone was deleted since, with its row: the next state does not name it. One
    that two states name was lost before.
    """
    gone: list[str] | None = None
    part = run.folder.part()
    try:
        for _ in range(TRIES):
            hashes = _snapshot(file, part)
            before, gone = gone, run.keep_pictures(hashes)
            if not gone or gone == before:
                break
        named = set(map(picture_path, hashes))
        run.files = {path: kept for path, kept in run.files.items() if path in named}
        run.carry_over([picture_path(content_hash) for content_hash in gone or []])
        run.note(DATABASE, run.folder.take(part), new=True)
    finally:
        part.unlink(missing_ok=True)
    return hashes, gone or []


def _store_of(file: Path) -> int:
    """What tells the store of a database from others, given to it by its first backup; raises StoreUnusable.

    It is the `user_version` of the file, which goes with every copy of it.
    """
    try:
        with closing(_opened(file)) as source:
            (store,) = source.execute("PRAGMA user_version").fetchone()
            if not store:
                store = 1 + secrets.randbelow(2**31 - 1)
                source.execute(f"PRAGMA user_version = {store}")
    except sqlite3.DatabaseError as error:
        raise _unusable(file, error) from error
    return int(store)


def _require_own(place: BackupFolder, store: int) -> None:
    """Raise BackupRefused for a folder that holds the backup of another store; an early edition named none."""
    held = 0
    with suppress(BackupUnusable):
        held = place.read().store
    if held not in (0, store):
        raise BackupRefused(
            f"{place.path} holds the backup of another store, which would be lost; name an empty folder, or set "
            "TGEM_HOME to the data folder of that store."
        )


def _opened(file: Path) -> sqlite3.Connection:
    url = f"file:{quote(str(file))}?mode=rw"  # which makes no new one
    return sqlite3.connect(url, uri=True, timeout=BUSY_SECONDS)


def _snapshot(file: Path, part: Path) -> list[str]:
    """Copy one state of a database that may be in use; returns the content hashes of its photos.

    Raises: StoreUnusable where it is damaged; OSError where the copy cannot be written.
    """
    part.touch(PRIVATE)
    try:
        with closing(_opened(file)) as source, closing(sqlite3.connect(part)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, with no log beside it
            found = copy.execute("PRAGMA quick_check").fetchone()
            if found != ("ok",):
                raise sqlite3.DatabaseError(" ".join(found[0].split()))
            with copy, suppress(sqlite3.OperationalError):  # an early edition has none
                copy.execute("DELETE FROM feature_maps")
            return [row[0] for row in copy.execute("SELECT DISTINCT content_hash FROM images ORDER BY 1")]
    except sqlite3.DatabaseError as error:
        # The base is of a damaged source, which could be opened before: what else stops SQLite is a lock, or the copy.
        if isinstance(error, sqlite3.OperationalError) and "locked" not in str(error):
            raise OSError(errno.EIO, str(error)) from error
        raise _unusable(file, error) from error


def _unusable(file: Path, error: sqlite3.DatabaseError) -> StoreUnusable:
    return StoreUnusable(
        f"{file} cannot be backed up ({error}), and the last backup stays as it was; if the file is damaged, "
        "`python -m engine restore BACKUP --replace` brings that backup back."
    )


def _beside(data: Path) -> Iterator[str]:
    """The files beside database and pictures that a backup takes."""
    for name in KEPT:
        place = data / name
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            if path.is_file() and path.suffix != ".part":
                yield path.relative_to(data).as_posix()


def _database_file(data: Path) -> Path:
    """The SQLite file of a data folder; raises BackupRefused."""
    if (data / RESTORING).exists():  # its database and its pictures may be of two stores
        raise BackupRefused(
            f"A restore of {data} was stopped half-way; finish it with `python -m engine restore BACKUP`, then back up."
        )
    url = read_url(database_url(data))
    if url.get_backend_name() == "postgresql":
        raise BackupRefused(
            "The database is PostgreSQL: back it up with its own `pg_dump`, and copy the folder of TGEM_HOME "
            "afterwards, which holds the pictures."
        )
    file = Path(url.database or "")
    if not os.path.isfile(file):
        raise BackupRefused(f"There is nothing to back up: {file} is not there; set TGEM_HOME to the data folder.")
    return file


def _place_for(folder: Path, data: Path) -> Path:
    """Where a folder is; raises BackupRefused for one that is no place for a backup, and OSError."""
    place = Path(os.path.realpath(folder))  # which leaves links that lead to themselves to what looks there
    if place == data or data in place.parents or place in data.parents:
        raise BackupRefused(f"A backup in {folder} would lie in the data folder, or around it; name another folder.")
    if place.exists() and not place.is_dir():
        raise BackupRefused(f"{folder} is not a folder; name one for the backup.")
    with suppress(FileNotFoundError):
        ours = {MANIFEST, FILES, LOCK, f"{LOCK}-journal"}  # the last one is SQLite's, and outlives a sudden death
        if any(path.name not in ours and path.suffix != ".part" for path in place.iterdir()):
            raise BackupRefused(f"{folder} holds other things than a backup; name an empty folder.")
    return place


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackupUnusable(
            f"The backup in {folder} cannot be written ({on_disk(error)}), and the last whole one stays as it was; "
            "make room or name another folder, and see that all files to back up can be read."
        ) from error
