"""Feature maps come and go with their images, stay below their limit, and leave no file behind."""

import os
import time
from pathlib import Path

import pytest
import torch

from engine.exits.feature_map import pack
from engine.storage import feature_map_files as maps_module
from engine.storage.collections import delete_collection, open_collection
from engine.storage.database import Database
from engine.storage.encodings import keep_deeper, list_candidates, list_changes
from engine.storage.images import add_images, delete_images, get_image, list_images
from tests.storage.rows import STAMP, image, reached

pytestmark = pytest.mark.both_databases

LATER = torch.ones(3)


def add(database: Database, collection_id: int, *names: str, size: int = 10) -> list[int]:
    rows = [image(name) for name in names]
    hashes = [row.content_hash for row in rows]
    kept = add_images(
        database, collection_id, STAMP, rows, dict.fromkeys(hashes, b""), dict.fromkeys(hashes, b"m" * size)
    )
    return [row.id for row in kept]


def files(home: Path) -> list[Path]:
    return sorted(home.glob("maps/*/*"))


def has_map(database: Database, *image_ids: int) -> list[bool]:
    return [candidate.map is not None for candidate in list_candidates(database, image_ids)]


def test_a_map_is_given_back_as_it_was_kept(database: Database, gallery: int) -> None:
    ids = add(database, gallery, "aa")
    (candidate,) = list_candidates(database, ids)
    assert candidate.map is not None
    assert database.maps.read(candidate.map) == b"m" * 10
    assert database.maps.read("no such file") is None


def test_a_deeper_encoding_brings_its_own_map_or_none(database: Database, gallery: int, home: Path) -> None:
    first, second = add(database, gallery, "aa", "bb")
    keep_deeper(database, gallery, STAMP, {first: reached(2, kept=LATER), second: reached(3)})
    candidates = list_candidates(database, [first, second])
    assert [(c.exit, c.map is not None) for c in candidates] == [(2, True), (3, False)]
    assert database.maps.read(candidates[0].map or "") == pack(LATER)
    assert len(files(home)) == 1


def test_a_shallower_encoding_never_takes_a_deeper_ones_place(database: Database, gallery: int) -> None:
    (first,) = add(database, gallery, "aa")
    keep_deeper(database, gallery, STAMP, {first: reached(3)})
    before = list_changes(database, gallery, 0, 9).revisions.tolist()
    keep_deeper(database, gallery, STAMP, {first: reached(2, kept=LATER)})
    row = get_image(database, first)
    assert (row.encoding.exit, row.encoding.macs_query, has_map(database, first)) == (3, 20, [False])
    assert list_changes(database, gallery, 0, 9).revisions.tolist() == before


def test_the_least_recently_used_go_first(
    database: Database, gallery: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = add(database, gallery, "aa", "bb", "cc", size=100)
    keep_deeper(database, gallery, STAMP, {}, candidates=[first])
    monkeypatch.setattr(maps_module, "LIMIT", 350)
    (fourth,) = add(database, gallery, "dd", size=100)
    assert has_map(database, first, second, third, fourth) == [True, False, True, True]
    assert len(files(home)) == 3


def test_maps_go_with_their_images_and_collections(database: Database, gallery: int, home: Path) -> None:
    first, _ = add(database, gallery, "aa", "bb")
    other = open_collection(database, "other", "gallery", None)
    add(database, other, "aa")
    delete_images(database, gallery, [first])
    assert len(files(home)) == 2
    delete_collection(database, gallery)
    assert len(files(home)) == 1


def test_what_a_sudden_death_left_is_swept_at_the_next_start(database: Database, gallery: int, home: Path) -> None:
    add(database, gallery, "aa")
    folder = files(home)[0].parent
    young, old, part = (folder / name for name in ("young.safetensors", "old.safetensors", "x.part"))
    for path in (young, old, part):
        path.write_bytes(b"left")
    for path in (old, part, files(home)[0]):
        os.utime(path, (time.time() - 7200,) * 2)
    again = Database.open()
    add(again, gallery, "bb")
    again.close()
    assert not old.exists()
    assert not part.exists()
    assert young.exists(), "it may belong to a transaction that goes on"
    assert has_map(database, *(row.id for row in list_images(database, gallery, 9))) == [True, True]


def test_a_map_that_cannot_be_written_is_done_without(database: Database, gallery: int, home: Path) -> None:
    (home / "maps").write_text("in the way")
    assert has_map(database, *add(database, gallery, "aa")) == [False]


def test_a_map_that_cannot_be_deleted_stays_for_the_next_sweep(
    database: Database, gallery: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = add(database, gallery, "aa")
    (kept,) = files(home)
    with monkeypatch.context() as held:

        def refuse(path: Path, missing_ok: bool = False) -> None:
            raise PermissionError(13, "Permission denied", str(path))

        held.setattr(Path, "unlink", refuse)
        keep_deeper(database, gallery, STAMP, {ids[0]: reached(3)})
    assert kept.exists()
    os.utime(kept, (time.time() - 7200,) * 2)
    again = Database.open()
    add(again, gallery, "bb")
    again.close()
    assert not kept.exists()


def test_a_map_that_cannot_be_looked_for_is_gone(database: Database, home: Path) -> None:
    (home / "maps" / "aa").mkdir(parents=True)
    assert not database.maps.has("a" * 300)  # an error of the system, as in a folder that may not be entered


def test_a_failed_batch_keeps_no_map_in_use(database: Database, gallery: int) -> None:
    ids = add(database, gallery, "aa")
    assert add(database, gallery, "aa") == []
    assert has_map(database, *ids) == [True]
