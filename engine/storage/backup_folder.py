"""The folder of a backup: files kept under the hash of what is in them, and a manifest that names them.

Nothing that a manifest names is changed by the next backup, which adds files, replaces the manifest in one step, and
only then deletes what the new one does not name. So a death leaves the earlier backup or the new one, never a mixture.
"""

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from uuid import uuid4

from engine.utils.atomic_files import PRIVATE, write_whole
from engine.utils.errors import HostProblem

VERSION = 1  # of the manifest
DATABASE, PICTURES = "tgem.db", "pictures"
KEPT = ("secret.key", "exits")  # beside these two, what cannot be made again: files and folders of the data folder
MANIFEST, FILES, LOCK = "manifest.json", "files", "lock"
CHUNK = 1 << 20  # bytes


class BackupUnusable(HostProblem):
    """A folder that holds no backup, or a damaged one, or that a backup cannot be written to."""


@dataclass(frozen=True)
class KeptFile:
    """What a file holds."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """What a backup holds, by paths in the data folder."""

    made_at: float  # seconds since the epoch
    files: dict[str, KeptFile]
    lost_pictures: int  # photos whose picture was gone before the backup
    store: int  # which store it is of; 0: of an early edition, which did not say


class BackupFolder:
    """Where backups of one store are kept; the last one is whole at any time."""

    def __init__(self, folder: Path) -> None:
        self.path = folder

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other backups and restores out of the folder; raises BackupUnusable where one is under way.

        A lock of SQLite ends with its process on every system, however it dies.
        """
        if self.path.is_file():
            raise BackupUnusable(f"{self.path} is a file; name the folder of a backup.")
        if not os.access(self.path, os.W_OK):  # then nobody changes it
            yield
            return
        with ExitStack() as held:
            try:
                lock = sqlite3.connect(self.path / LOCK, timeout=0, isolation_level=None)
                held.enter_context(closing(lock)).execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                raise BackupUnusable(
                    f"{self.path} cannot be locked ({error}); wait for the backup under way."
                ) from error
            except sqlite3.DatabaseError as error:
                raise BackupUnusable(f"{self.path / LOCK} is damaged ({error}); delete that file.") from error
            yield

    def read(self) -> Manifest:
        """The manifest of the last whole backup; raises BackupUnusable."""
        file = self.path / MANIFEST
        try:
            told = json.loads(file.read_text("utf-8"))
            if told["version"] != VERSION:
                raise ValueError(f"version {told['version']}")
            files = {_safe(path): KeptFile(str(of["sha256"]), int(of["bytes"])) for path, of in told["files"].items()}
            manifest = Manifest(float(told["made_at"]), files, int(told["lost_pictures"]), int(told.get("store", 0)))
        except FileNotFoundError as error:
            raise BackupUnusable(f"{self.path} holds no whole backup: it has no {MANIFEST}; name another.") from error
        except (OSError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise BackupUnusable(f"{file} cannot be read as a backup's manifest ({error}); use another one.") from error
        if DATABASE not in manifest.files:
            raise BackupUnusable(f"{file} names no database; use another backup.")
        return manifest

    def write(self, manifest: Manifest) -> None:
        """Put a manifest in the place of the last one, then delete the files that it does not name; raises OSError."""
        _to_disk()  # a manifest must not outlive a power failure that its files did not
        write_whole(self.path / MANIFEST, json.dumps({"version": VERSION, **asdict(manifest)}).encode())
        _to_disk()
        named = {kept.sha256 for kept in manifest.files.values()}
        for file in (self.path / FILES).glob("*/*"):
            if file.name not in named:
                file.unlink(missing_ok=True)

    def place(self, sha256: str) -> Path:
        """Where the file of a hash is kept."""
        return self.path / FILES / sha256[:2] / sha256

    def part(self) -> Path:
        """A place for a file that is on its way in; what a death leaves there, the next manifest's writing deletes."""
        parts = self.path / FILES / "parts"
        parts.mkdir(parents=True, exist_ok=True)
        return parts / uuid4().hex

    def keep(self, file: Path, link: bool) -> tuple[KeptFile, bool]:
        """Keep a file; returns what is in it, and whether it is new here. Raises OSError.

        Args: link: it is never changed in place, so a link to it does where it lies on the same disk.
        """
        kept = digest(file)
        if self.place(kept.sha256).is_file():
            return kept, False
        part = self.part()
        try:
            copy(file, part, link)
            return self.take(part), True
        finally:
            part.unlink(missing_ok=True)  # a link that takes the place of another to the same file stays

    def take(self, part: Path) -> KeptFile:
        """Put a file that was made in the backup under its hash; raises OSError."""
        kept = digest(part)
        self.place(kept.sha256).parent.mkdir(parents=True, exist_ok=True)
        part.replace(self.place(kept.sha256))
        return kept


def digest(file: Path) -> KeptFile:
    """What a file holds; raises OSError."""
    found, size = hashlib.sha256(), 0
    with file.open("rb") as opened:
        while chunk := opened.read(CHUNK):
            found.update(chunk)
            size += len(chunk)
    return KeptFile(found.hexdigest(), size)


def copy(file: Path, place: Path, link: bool) -> None:
    """Have a file at another place too, for this user alone to read; raises OSError.

    Args: link: a link does, where the system makes one.
    """
    if link:
        with suppress(OSError, NotImplementedError):
            os.link(file.resolve(), place)
            return
    place.touch(PRIVATE)
    shutil.copyfile(file, place)


def _safe(path: str) -> str:
    """A manifest's path that leads to a part of a store and to nowhere else; raises ValueError."""
    parts = PurePosixPath(path).parts
    if not parts or parts[0] not in (DATABASE, PICTURES, *KEPT) or ".." in parts or "\\" in path or ":" in path:
        raise ValueError(f"it names {path!r}")
    return path


def _to_disk() -> None:
    if hasattr(os, "sync"):  # not on Windows
        os.sync()
