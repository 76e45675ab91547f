"""Feature maps come and go with their images, stay below their limit, and leave no file behind."""

import os
import time
from pathlib import Path

import pytest

from engine.storage import feature_map_files as maps_module
from engine.storage.store import Deeper, Store
from tests.storage.test_store import STAMP, image

pytestmark = pytest.mark.both_databases


@pytest.fixture
def gallery(store: Store) -> int:
    return store.open_collection("holiday", "gallery", None)


def add(store: Store, collection_id: int, *names: str, size: int = 10) -> list[int]:
    rows = [image(name) for name in names]
    hashes = [row.content_hash for row in rows]
    kept = store.add(collection_id, STAMP, rows, dict.fromkeys(hashes, b""), dict.fromkeys(hashes, b"m" * size))
    return [row.id for row in kept]


def deeper(image_id: int, exit: int, kept: bytes | None = None) -> Deeper:
    return Deeper(image_id, exit, b"\0" * 8, {exit: [("a cat", 0.5)]}, 10, 1.0, kept)


def files(home: Path) -> list[Path]:
    return sorted(home.glob("maps/*/*"))


def has_map(store: Store, *image_ids: int) -> list[bool]:
    return [candidate.map is not None for candidate in store.candidates(image_ids)]


def test_a_map_is_given_back_as_it_was_kept(store: Store, gallery: int) -> None:
    ids = add(store, gallery, "aa")
    (candidate,) = store.candidates(ids)
    assert candidate.map is not None
    assert store.kept_map(candidate.map) == b"m" * 10
    assert store.kept_map("no such file") is None


def test_a_deeper_encoding_brings_its_own_map_or_none(store: Store, gallery: int, home: Path) -> None:
    first, second = add(store, gallery, "aa", "bb")
    store.deepen(gallery, STAMP, [deeper(first, 2, b"later"), deeper(second, 3)])
    candidates = store.candidates([first, second])
    assert [(c.exit, c.map is not None) for c in candidates] == [(2, True), (3, False)]
    assert store.kept_map(candidates[0].map or "") == b"later"
    assert len(files(home)) == 1


def test_a_shallower_encoding_never_takes_a_deeper_ones_place(store: Store, gallery: int) -> None:
    (first,) = add(store, gallery, "aa")
    store.deepen(gallery, STAMP, [deeper(first, 3)])
    before = store.changes(gallery, 0, 9).revisions.tolist()
    store.deepen(gallery, STAMP, [deeper(first, 2, b"later")])
    row = store.image(first)
    assert (row.encoding.exit, row.encoding.macs_query, has_map(store, first)) == (3, 20, [False])
    assert store.changes(gallery, 0, 9).revisions.tolist() == before


def test_the_least_recently_used_go_first(
    store: Store, gallery: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = add(store, gallery, "aa", "bb", "cc", size=100)
    store.deepen(gallery, STAMP, [], candidates=[first])
    monkeypatch.setattr(maps_module, "LIMIT", 350)
    (fourth,) = add(store, gallery, "dd", size=100)
    assert has_map(store, first, second, third, fourth) == [True, False, True, True]
    assert len(files(home)) == 3


def test_maps_go_with_their_images_and_collections(store: Store, gallery: int, home: Path) -> None:
    first, _ = add(store, gallery, "aa", "bb")
    other = store.open_collection("other", "gallery", None)
    add(store, other, "aa")
    store.remove_images(gallery, [first])
    assert len(files(home)) == 2
    store.remove(gallery)
    assert len(files(home)) == 1


def test_what_a_sudden_death_left_is_swept_at_the_next_start(store: Store, gallery: int, home: Path) -> None:
    add(store, gallery, "aa")
    folder = files(home)[0].parent
    young, old, part = (folder / name for name in ("young.safetensors", "old.safetensors", "x.part"))
    for path in (young, old, part):
        path.write_bytes(b"left")
    for path in (old, part, files(home)[0]):
        os.utime(path, (time.time() - 7200,) * 2)
    again = Store.open()
    add(again, gallery, "bb")
    again.close()
    assert not old.exists()
    assert not part.exists()
    assert young.exists(), "it may belong to a transaction that goes on"
    assert has_map(store, *(row.id for row in store.page(gallery, 0, 9))) == [True, True]


def test_a_map_that_cannot_be_written_is_done_without(store: Store, gallery: int, home: Path) -> None:
    (home / "maps").write_text("in the way")
    assert has_map(store, *add(store, gallery, "aa")) == [False]


def test_a_failed_batch_keeps_no_map_in_use(store: Store, gallery: int) -> None:
    ids = add(store, gallery, "aa")
    assert add(store, gallery, "aa") == []
    assert has_map(store, *ids) == [True]
