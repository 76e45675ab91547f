"""No picture outlives its photos, whenever a process dies; and none is deleted that a photo has."""

import os
import time
from pathlib import Path

import pytest
import torch
from sqlalchemy import select

from engine.storage import cleanup, collections, feature_map_files, images, picture_files
from engine.storage.collections import (
    TotalsCache,
    delete_collection,
    find_collection,
    get_collection,
    list_collections,
    mark_indexed,
    open_collection,
)
from engine.storage.database import Database, StoreUnusable
from engine.storage.encodings import keep_deeper
from engine.storage.images import add_images, delete_images
from engine.storage.schema import GalleryMissing, ImageRow
from engine.utils.atomic_files import write_whole
from tests.pictures import Meanwhile
from tests.storage.rows import STAMP, add, image, reached

pytestmark = pytest.mark.both_databases


def die(*_: object) -> None:
    raise KeyboardInterrupt


def die_after_the_commit(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (images, collections):
        monkeypatch.setattr(module, "drop_pictures", die)


def start_much_later(home: Path) -> None:
    """Have all files be two hours old, and change something."""
    for path in home.glob("**/*"):
        os.utime(path, (time.time() - 7200,) * 2)
    again = Database.open()
    add(again, open_collection(again, "another", "gallery", None), "ff")
    again.close()


def pictures(home: Path) -> list[str]:
    return sorted(path.name[:2] for path in home.glob("pictures/*/*"))


def test_a_death_while_photos_are_deleted_leaves_no_picture(
    database: Database, gallery: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_ = add(database, gallery, "aa", "bb")
    die_after_the_commit(database, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        delete_images(database, gallery, [first.id])
    assert pictures(home) == ["aa", "bb"]
    start_much_later(home)
    assert pictures(home) == ["bb", "ff"]
    assert list(home.glob("doubts/*")) == []


def test_a_death_while_a_collection_is_deleted_leaves_what_others_use(
    database: Database, gallery: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(database, gallery, "aa", "bb")
    add(database, open_collection(database, "other", "gallery", None), "bb")
    die_after_the_commit(database, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        delete_collection(database, gallery)
    start_much_later(home)
    assert pictures(home) == ["bb", "ff"]


def test_others_write_while_a_large_collection_is_deleted_and_find_it_no_more(
    database: Database, gallery: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.storage.database.BUSY_SECONDS", 0.05)
    monkeypatch.setattr(cleanup, "DROPPED_AT_ONCE", 2)
    others = Database.open()
    other = open_collection(others, "other", "gallery", None)
    add(database, gallery, "aa", "bb", "cc", "dd", "ee")
    written = 0

    def write(seconds: float) -> None:
        nonlocal written
        assert [row.id for row in list_collections(others)] == [other]
        assert find_collection(others, "holiday", "gallery", None) is None
        with pytest.raises(GalleryMissing):
            add(others, gallery, "ff")
        add(others, other, "ee")
        written += 1

    monkeypatch.setattr("time.sleep", write)
    delete_collection(database, gallery)
    assert written == 3 + 2, "between parts of its images, and of their pictures"
    assert pictures(home) == ["ee"], "it has come to the other one meanwhile"
    with database.read() as session:
        assert [row.collection_id for row in session.scalars(select(ImageRow))] == [other]
    others.close()


@pytest.mark.parametrize(("parts", "left"), [(1, 5), (2, 5), (4, 3)])
def test_a_death_amid_the_photos_of_a_large_collection_leaves_none(
    database: Database, gallery: int, home: Path, monkeypatch: pytest.MonkeyPatch, parts: int, left: int
) -> None:
    slept = iter([*["on"] * (parts - 1), "dead"])
    monkeypatch.setattr(cleanup, "DROPPED_AT_ONCE", 2)
    add(database, gallery, "aa", "bb", "cc", "dd", "ee")
    with monkeypatch.context() as patch:
        patch.setattr("time.sleep", lambda seconds: die() if next(slept) == "dead" else None)
        with pytest.raises(KeyboardInterrupt):
            delete_collection(database, gallery)
    assert list_collections(database) == []
    assert len(pictures(home)) == left
    start_much_later(home)
    assert pictures(home) == ["ff"]
    with database.read() as session:
        assert session.scalars(select(ImageRow.name)).all() == ["ff.jpg"]
    assert list(home.glob("doubts/*")) == []


def test_a_picture_that_is_open_on_windows_is_deleted_later(
    database: Database, gallery: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(database, gallery, "aa", "bb", "cc")
    unlink, opened = Path.unlink, database.pictures.path("bb" * 32)

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path == opened:
            raise PermissionError(13, "The process cannot access the file")
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        delete_collection(database, gallery)
        assert list_collections(database) == []
        assert pictures(home) == ["bb"]
        start_much_later(home)
        assert pictures(home) == ["bb", "ff"]
    start_much_later(home)
    assert pictures(home) == ["ff"]
    assert list(home.glob("doubts/*")) == []


def test_a_batch_is_kept_whole_or_not_at_all(database: Database, gallery: int, home: Path) -> None:
    broken = image("bb")
    broken.encoding.vector = None  # type: ignore[assignment]
    with pytest.raises(StoreUnusable):
        add(database, gallery, "aa", broken)
    assert TotalsCache(database).of(get_collection(database, gallery)).photos == 0
    assert pictures(home) == []
    assert list(home.glob("doubts/*")) == []
    assert len(add(database, gallery, "aa", "bb")) == 2


def test_a_death_before_the_rows_are_in_leaves_no_picture(
    database: Database, gallery: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(images, "_add_rows", die)
        with pytest.raises(KeyboardInterrupt):
            add(database, gallery, "aa")
    assert pictures(home) == ["aa"]
    start_much_later(home)
    assert pictures(home) == ["ff"]


@pytest.mark.parametrize("left", [bytes(64), b"\x00\x05\xff of another program"], ids=["zeros", "foreign"])
def test_a_note_that_is_damaged_stops_nothing(database: Database, gallery: int, home: Path, left: bytes) -> None:
    add(database, gallery, "aa")
    note = home / "doubts" / "note"
    note.write_bytes(left)
    start_much_later(home)
    assert pictures(home) == ["aa", "ff"]
    assert not note.exists()


def test_others_write_to_the_database_while_files_are_written(
    database: Database, gallery: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.storage.database.BUSY_SECONDS", 0.05)
    others = Database.open()

    def write(path: Path, data: bytes) -> None:
        mark_indexed(others, gallery)
        write_whole(path, data)

    for module in (picture_files, feature_map_files):
        monkeypatch.setattr(module, "write_whole", write)
    row = image("aa")
    add_images(database, gallery, STAMP, [row], {row.content_hash: b"a picture"}, {row.content_hash: b"a map"})
    keep_deeper(database, gallery, STAMP, {row.id: reached(2, kept=torch.ones(3))})
    others.close()


def test_a_picture_that_another_process_deletes_meanwhile_is_written_again(
    database: Database, gallery: int, meanwhile: Meanwhile
) -> None:
    picture = database.pictures.path("aa" * 32)
    meanwhile(images, "_add_rows", picture.unlink)
    add(database, gallery, "aa")
    assert picture.read_bytes() == b"aa.jpg"


@pytest.mark.parametrize("damaged", [b"aa", b"\0" * 6, b""])
def test_a_damaged_picture_that_two_galleries_share_is_mended_by_adding_the_photo_again(
    database: Database, gallery: int, damaged: bytes
) -> None:
    other = open_collection(database, "other", "gallery", None)
    first, *_ = add(database, gallery, "aa")
    add(database, other, "aa")
    picture = database.pictures.path("aa" * 32)
    picture.write_bytes(damaged)
    delete_images(database, gallery, [first.id])
    assert picture.exists(), "the other gallery has it"
    add(database, gallery, "aa")
    assert picture.read_bytes() == b"aa.jpg"


def test_parts_of_files_are_swept(database: Database, gallery: int, home: Path) -> None:
    add(database, gallery, "aa")
    part = database.pictures.path("aa" * 32).with_name("x.part")
    part.write_bytes(b"half")
    start_much_later(home)
    assert not part.exists()


def test_a_picture_that_another_database_may_know_stays(database: Database, home: Path) -> None:
    foreign = database.pictures.path("cc" * 32)
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"a picture")
    start_much_later(home)
    assert foreign.exists()


def test_nothing_is_noted_of_what_went_well(database: Database, gallery: int, home: Path) -> None:
    first, *_ = add(database, gallery, "aa", "bb")
    delete_images(database, gallery, [first.id])
    delete_collection(database, gallery)
    assert pictures(home) == []
    assert list(home.glob("doubts/*")) == []
