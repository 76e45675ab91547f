"""No picture outlives its photos, whenever a process dies; and none is deleted that a photo has."""

import os
import time
from pathlib import Path

import pytest

from engine.storage import collections, images
from engine.storage.collections import delete_collection, open_collection
from engine.storage.database import Database, StoreUnusable
from engine.storage.images import add_images, delete_images
from tests.storage.rows import STAMP, add, image

pytestmark = pytest.mark.both_databases


@pytest.fixture
def gallery(database: Database) -> int:
    return open_collection(database, "holiday", "gallery", None)


def die_after_the_commit(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

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


def test_a_batch_that_failed_leaves_no_picture(database: Database, gallery: int, home: Path) -> None:
    broken = image("bb")
    broken.encoding.vector = None  # type: ignore[assignment]
    with pytest.raises(StoreUnusable):
        add_images(database, gallery, STAMP, [image("aa"), broken], {"aa" * 32: b"", "bb" * 32: b""}, {})
    add(database, gallery, "bb")
    assert pictures(home) == ["aa", "bb"], "a young one may be of a transaction that goes on"
    start_much_later(home)
    assert pictures(home) == ["bb", "ff"]


def test_parts_of_files_are_swept(database: Database, gallery: int, home: Path) -> None:
    add(database, gallery, "aa")
    part = database.pictures.path("aa" * 32).with_name("x.part")
    part.write_bytes(b"half")
    start_much_later(home)
    assert not part.exists()


def test_a_picture_that_another_database_may_know_stays(database: Database, gallery: int, home: Path) -> None:
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
