"""A backup holds one state of a store that is in use, and a restore brings it back or changes nothing."""

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.storage import backup, restore
from engine.storage.backup import BackupRefused, back_up
from engine.storage.backup_folder import BackupFolder, BackupUnusable, copy
from engine.storage.collections import list_collections, open_collection
from engine.storage.database import Database, StoreUnusable
from engine.storage.images import delete_images, list_images
from engine.storage.restore import RestoreRefused
from engine.utils.atomic_files import write_whole
from tests.storage.rows import add


@pytest.fixture
def gallery(database: Database, home: Path) -> int:
    """Two photos, and what lies beside the database."""
    found = open_collection(database, "holiday", "gallery", None)
    add(database, found, "aa", "bb")
    write_whole(home / "secret.key", b"s" * 32)
    write_whole(home / "exits" / "model" / "tgem.json", b"{}")
    write_whole(home / "maps" / "ab" / "abc.safetensors", b"map")
    return found


@pytest.fixture
def place(gallery: int, tmp_path: Path) -> Path:
    """Where a store with two photos is backed up to."""
    return tmp_path / "backup"


@pytest.fixture
def move_house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Has another, empty data folder be the one in use."""

    def move() -> Path:
        monkeypatch.setenv("TGEM_HOME", str(tmp_path / "elsewhere"))
        return tmp_path / "elsewhere"

    return move


def names(home: Path) -> list[str]:
    """The photos of a store, all of whose pictures are there."""
    database = Database.open(home)
    found = [row for kept in list_collections(database) for row in list_images(database, kept.id, 100)]
    database.close()
    for row in found:
        assert database.pictures.path(row.content_hash).read_bytes() == row.name.encode()
    return sorted(row.name[:2] for row in found)


def kept(place: Path) -> list[str]:
    return sorted(BackupFolder(place).read().files)


def test_a_backup_of_an_open_store_is_restored_whole(place: Path, move_house: Callable[[], Path]) -> None:
    done = back_up(place)
    assert (done.photos, done.files, done.new_files, done.lost_pictures) == (2, 5, 5, 0)
    readable = {path.name for path in place.rglob("*") if path.is_file() and path.stat().st_mode & 0o077}
    assert readable <= {"lock"}  # which is empty
    elsewhere = move_house()
    told = restore.restore(place)
    assert told.aside is None
    assert names(elsewhere) == ["aa", "bb"]
    assert (elsewhere / "secret.key").read_bytes() == b"s" * 32
    assert (elsewhere / "exits" / "model" / "tgem.json").is_file()
    assert oct((elsewhere / "tgem.db").stat().st_mode)[-3:] == "600"


def test_the_next_backup_adds_what_is_new_and_forgets_what_is_gone(
    database: Database, gallery: int, place: Path
) -> None:
    back_up(place)
    (first, _) = list_images(database, gallery, 2)
    delete_images(database, gallery, [first.id])
    add(database, gallery, "cc")
    done = back_up(place)
    assert done.new_files == 2, "a picture and the database"
    assert [path[9:11] for path in kept(place) if path.startswith("pictures/")] == ["bb", "cc"]
    files = [path for path in (place / "files").rglob("*") if path.is_file()]
    assert len(files) == done.files


def test_a_photo_that_is_deleted_during_the_backup_is_not_in_it(
    database: Database, gallery: int, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot, first = backup._snapshot, list_images(database, gallery, 1)[0]

    def delete_afterwards(file: Path, part: Path) -> list[str]:
        hashes = snapshot(file, part)
        delete_images(database, gallery, [first.id])
        return hashes

    monkeypatch.setattr(backup, "_snapshot", delete_afterwards)
    done = back_up(place)
    assert (done.photos, done.lost_pictures) == (1, 0)


def test_a_picture_that_was_lost_before_is_counted(database: Database, place: Path) -> None:
    database.pictures.path("aa" * 32).unlink()
    done = back_up(place)
    assert (done.photos, done.lost_pictures) == (2, 1)


def test_pictures_that_the_store_has_lost_stay_in_the_backup(
    home: Path, place: Path, move_house: Callable[[], Path]
) -> None:
    back_up(place)
    before = kept(place)
    (home / "pictures").rename(home / "unmounted")
    for _ in range(2):
        done = back_up(place)
        assert (done.photos, done.lost_pictures, done.files) == (2, 2, len(before))
        assert kept(place) == before
    elsewhere = move_house()
    restore.restore(place)
    assert names(elsewhere) == ["aa", "bb"]


def test_a_damaged_manifest_costs_no_picture_that_the_store_has_lost(home: Path, place: Path) -> None:
    back_up(place)
    (place / "manifest.json").write_text("{")
    files = sorted((place / "files").rglob("*"))
    (home / "pictures").rename(home / "unmounted")
    with pytest.raises(BackupUnusable, match="cannot be read"):
        back_up(place)
    assert set(files) <= set((place / "files").rglob("*"))
    (home / "unmounted").rename(home / "pictures")
    assert back_up(place).lost_pictures == 0


def test_the_backup_of_another_store_is_left_alone(place: Path, move_house: Callable[[], Path]) -> None:
    back_up(place)
    before = sorted((place / "files").rglob("*"))
    move_house()
    fresh = Database.open()
    add(fresh, open_collection(fresh, "other", "gallery", None), "ee")
    with pytest.raises(BackupRefused, match="holds the backup of another store, which would be lost"):
        back_up(place)
    assert sorted((place / "files").rglob("*")) == before
    fresh.close()
    restore.restore(place, replace=True)
    assert back_up(place).new_files <= 1, "a store that was restored is the same store"


def test_a_manifest_of_an_early_edition_is_of_the_same_store(place: Path) -> None:
    back_up(place)
    told = json.loads((place / "manifest.json").read_text())
    del told["store"]
    (place / "manifest.json").write_text(json.dumps(told))
    assert BackupFolder(place).read().store == 0
    back_up(place)
    assert BackupFolder(place).read().store > 0


@pytest.mark.parametrize("trouble", ["full", "gone"])
def test_a_backup_that_cannot_be_written_is_not_the_fault_of_the_store(
    place: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    back_up(place)
    before, connect_to = kept(place), sqlite3.connect

    def hinder(to: Any, *args: Any, **named: Any) -> sqlite3.Connection:
        part = isinstance(to, Path) and to.parent.name == "parts"
        made = connect_to(to / "gone" if part and trouble == "gone" else to, *args, **named)
        if part:
            made.execute("PRAGMA max_page_count = 2")
        return made

    monkeypatch.setattr(sqlite3, "connect", hinder)
    reason = {"full": "database or disk is full", "gone": "unable to open database file"}[trouble]
    said = rf"backup cannot be written \({reason}\), and the last whole one stays as it was; make room or name"
    with pytest.raises(BackupUnusable, match=said):
        back_up(place)
    assert kept(place) == before


def test_a_file_that_cannot_be_read_is_named(home: Path, place: Path, move_house: Callable[[], Path]) -> None:
    back_up(place)
    kept_file = BackupFolder(place).place(BackupFolder(place).read().files[f"pictures/aa/{'aa' * 32}.jpg"].sha256)
    picture = home / "pictures" / "aa" / f"{'aa' * 32}.jpg"
    for file in (picture, kept_file):
        file.unlink()
        file.mkdir()
    with pytest.raises(BackupUnusable, match=rf"Is a directory: {picture}\).*all files to back up can be read"):
        back_up(place)
    move_house()
    with pytest.raises(StoreUnusable, match=rf"Is a directory: {kept_file}\).*all files of the backup can be read"):
        restore.restore(place)


def test_a_backup_goes_on_where_an_earlier_one_died(place: Path, tmp_path: Path) -> None:
    back_up(place)
    dead = tmp_path / "dead"
    with BackupFolder(place).alone():
        shutil.copytree(place, dead)  # with all that is there while one is under way
        with pytest.raises(BackupUnusable, match="wait for the backup under way"):
            back_up(place)
    back_up(dead)
    assert sorted(path.name for path in dead.iterdir()) == ["files", "lock", "manifest.json"]


def test_a_damaged_lock_is_named(place: Path) -> None:
    back_up(place)
    (place / "lock").write_bytes(b"no database at all" * 100)
    with pytest.raises(BackupUnusable, match=rf"^{re.escape(str(place / 'lock'))} is damaged .*; delete that file\.$"):
        back_up(place)


def test_a_database_whose_name_is_too_long_is_not_there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TGEM_DATABASE_URL", f"sqlite:////{'a' * 300}.db")
    with pytest.raises(BackupRefused, match="nothing to back up"):
        back_up(place)
    with pytest.raises(StoreUnusable, match="cannot be used"):
        Database.open()


def test_a_half_finished_restore_is_not_backed_up(home: Path, place: Path) -> None:
    back_up(place)
    before = kept(place)
    (home / "restoring").mkdir()
    with pytest.raises(BackupRefused, match="stopped half-way"):
        back_up(place)
    assert kept(place) == before


def test_a_damaged_database_takes_the_place_of_no_backup(database: Database, home: Path, place: Path) -> None:
    back_up(place)
    before = kept(place)
    database.close()
    with (home / "tgem.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)
    with pytest.raises(StoreUnusable, match=r"cannot be backed up .*the last backup stays"):
        back_up(place)
    assert kept(place) == before
    done = restore.restore(place, replace=True)
    assert names(home) == ["aa", "bb"]
    assert done.aside is not None
    assert (done.aside / "tgem.db").is_file(), "the damaged one is kept"


def test_a_store_is_put_aside_only_when_asked_and_when_nobody_uses_it(
    database: Database, home: Path, place: Path
) -> None:
    back_up(place)
    with pytest.raises(RestoreRefused, match="holds a store already"):
        restore.restore(place)
    with pytest.raises(RestoreRefused, match="is in use"):
        restore.restore(place, replace=True)
    add(database, 1, "dd")
    database.close()
    done = restore.restore(place, replace=True)
    assert names(home) == ["aa", "bb"]
    assert list((home / "maps").iterdir()) == []
    assert done.aside is not None
    assert names(done.aside) == ["aa", "bb", "dd"]


@pytest.mark.parametrize(("replace", "refusal"), [(False, "holds a store already"), (True, "is in use")])
def test_a_store_that_somebody_opens_during_the_restore_stays(
    place: Path, move_house: Callable[[], Path], replace: bool, refusal: str
) -> None:
    back_up(place)
    elsewhere = move_house()
    opened: list[Database] = []

    def open_store(done: int, all_: int) -> None:
        if done == 1:
            opened.append(Database.open())
            open_collection(opened[0], "made meanwhile", "gallery", None)

    with pytest.raises(RestoreRefused, match=refusal):
        restore.restore(place, replace, open_store)
    assert [row.name for row in list_collections(opened[0])] == ["made meanwhile"]
    assert list(elsewhere.glob("restoring*")) == []
    opened[0].close()
    assert restore.restore(place, replace=True).aside is not None
    assert names(elsewhere) == ["aa", "bb"]


def test_a_full_disk_leaves_nothing_of_a_restore(
    place: Path, move_house: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(place)
    elsewhere = move_house()
    copied = 0

    def fill(*args: Any, **named: Any) -> None:
        nonlocal copied
        copy(*args, **named)
        copied += 1
        if copied == 3:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(restore, "copy", fill)
    with pytest.raises(StoreUnusable, match="No space left on device"):
        restore.restore(place)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_damaged_backup_changes_nothing(place: Path, move_house: Callable[[], Path], damage: str) -> None:
    back_up(place)
    file = BackupFolder(place).place(BackupFolder(place).read().files[f"pictures/aa/{'aa' * 32}.jpg"].sha256)
    file.unlink()
    if damage == "changed":
        file.write_bytes(b"other bytes")
    elsewhere = move_house()
    with pytest.raises(BackupUnusable, match=rf"is damaged: pictures/aa/\w+.jpg is {'not|gone'}"):
        restore.restore(place)
    assert list(elsewhere.iterdir()) == []


def test_a_backup_of_a_newer_program_changes_nothing(home: Path, place: Path, move_house: Callable[[], Path]) -> None:
    with sqlite3.connect(home / "tgem.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'of_tomorrow'")
    back_up(place)
    elsewhere = move_house()
    with pytest.raises(BackupUnusable, match="made by a newer version of this program; upgrade it"):
        restore.restore(place)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("path", ["../tgem.db", "/etc/passwd", "pictures/../../a", "pictures\\..\\a", "app.py", ""])
def test_a_manifest_leads_nowhere_else(place: Path, path: str) -> None:
    back_up(place)
    manifest = place / "manifest.json"
    told = json.loads(manifest.read_text())
    told["files"][path] = next(iter(told["files"].values()))
    manifest.write_text(json.dumps(told))
    with pytest.raises(BackupUnusable, match="cannot be read as a backup's manifest"):
        BackupFolder(place).read()


@pytest.mark.parametrize("last", range(1, 9))
def test_a_stop_in_the_middle_of_the_switch_keeps_the_store_closed_until_it_is_finished(
    database: Database, home: Path, place: Path, monkeypatch: pytest.MonkeyPatch, last: int
) -> None:
    back_up(place)
    add(database, 1, "dd")
    database.close()
    move, moves = Path.replace, 0

    def stop(self: Path, target: Path) -> Path:
        nonlocal moves
        moves += "restoring" in self.parts or "restoring" in target.parts
        done = move(self, target)
        if moves == last:
            raise KeyboardInterrupt
        return done

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            restore.restore(place, replace=True)
    with pytest.raises(StoreUnusable, match="was stopped half-way"):
        Database.open()
    assert restore.restore(place).backup is None
    assert names(home) == ["aa", "bb"]
    (aside,) = home.glob("replaced-*")
    assert names(aside) == ["aa", "bb", "dd"]


def test_places_that_are_none(home: Path, place: Path, tmp_path: Path) -> None:
    other = tmp_path / "diary"
    other.mkdir()
    (other / "diary.txt").touch()
    for folder in (other, home, home / "backup", tmp_path, other / "diary.txt"):
        with pytest.raises(BackupRefused):
            back_up(folder)
    with pytest.raises(BackupUnusable, match="holds no whole backup"):
        BackupFolder(other).read()
    with BackupFolder(other).alone(), pytest.raises(BackupUnusable, match="wait for the backup"):
        BackupFolder(other).alone().__enter__()


@pytest.mark.usefixtures("gallery")
def test_a_place_that_cannot_be_looked_at_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for folder in (tmp_path / ("z" * 300), tmp_path / "loop"):
        with pytest.raises(BackupUnusable, match=r"cannot be written \(\w"):
            back_up(folder)


def test_what_cannot_be_backed_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "backup"
    with pytest.raises(BackupRefused, match="There is nothing to back up"):
        back_up(place)
    monkeypatch.setenv("TGEM_DATABASE_URL", "postgresql+psycopg://me@host/photos")
    with pytest.raises(BackupRefused, match="pg_dump"):
        back_up(place)
    with pytest.raises(RestoreRefused, match="TGEM_DATABASE_URL"):
        restore.restore(place)
    assert not place.exists()
