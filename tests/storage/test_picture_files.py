"""No picture outlives its photos, whenever a process dies; and none is deleted that a photo has."""

import os
import time
from pathlib import Path

import pytest

from engine.storage.database import StoreUnusable
from engine.storage.store import Store
from tests.storage.test_store import STAMP, add, image

pytestmark = pytest.mark.both_databases


@pytest.fixture
def gallery(store: Store) -> int:
    return store.open_collection("holiday", "gallery", None)


def die_after_the_commit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "_drop_pictures", die)


def start_much_later(home: Path) -> None:
    """Have all files be two hours old, and change something."""
    for path in home.glob("**/*"):
        os.utime(path, (time.time() - 7200,) * 2)
    again = Store.open()
    add(again, again.open_collection("another", "gallery", None), "ff")
    again.close()


def pictures(home: Path) -> list[str]:
    return sorted(path.name[:2] for path in home.glob("pictures/*/*"))


def test_a_death_while_photos_are_deleted_leaves_no_picture(
    store: Store, gallery: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_ = add(store, gallery, "aa", "bb")
    die_after_the_commit(store, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        store.remove_images(gallery, [first.id])
    assert pictures(home) == ["aa", "bb"]
    start_much_later(home)
    assert pictures(home) == ["bb", "ff"]
    assert list(home.glob("doubts/*")) == []


def test_a_death_while_a_collection_is_deleted_leaves_what_others_use(
    store: Store, gallery: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store, gallery, "aa", "bb")
    add(store, store.open_collection("other", "gallery", None), "bb")
    die_after_the_commit(store, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        store.remove(gallery)
    start_much_later(home)
    assert pictures(home) == ["bb", "ff"]


def test_a_batch_that_failed_leaves_no_picture(store: Store, gallery: int, home: Path) -> None:
    broken = image("bb")
    broken.encoding.vector = None  # type: ignore[assignment]
    with pytest.raises(StoreUnusable):
        store.add(gallery, STAMP, [image("aa"), broken], {"aa" * 32: b"", "bb" * 32: b""}, {})
    add(store, gallery, "bb")
    assert pictures(home) == ["aa", "bb"], "a young one may be of a transaction that goes on"
    start_much_later(home)
    assert pictures(home) == ["bb", "ff"]


def test_parts_of_files_are_swept(store: Store, gallery: int, home: Path) -> None:
    add(store, gallery, "aa")
    part = store.picture_path("aa" * 32).with_name("x.part")
    part.write_bytes(b"half")
    start_much_later(home)
    assert not part.exists()


def test_a_picture_that_another_database_may_know_stays(store: Store, gallery: int, home: Path) -> None:
    foreign = store.picture_path("cc" * 32)
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"a picture")
    start_much_later(home)
    assert foreign.exists()


def test_nothing_is_noted_of_what_went_well(store: Store, gallery: int, home: Path) -> None:
    first, *_ = add(store, gallery, "aa", "bb")
    store.remove_images(gallery, [first.id])
    store.remove(gallery)
    assert pictures(home) == []
    assert list(home.glob("doubts/*")) == []
