"""Images and picture files come together, and in the order asked for."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from engine.storage.collections import TotalsCache, get_collection, open_collection, restamp
from engine.storage.database import Database, StoreUnusable
from engine.storage.encodings import images_without_encoding, list_changes
from engine.storage.images import (
    content_hashes,
    get_image,
    get_images,
    has_image,
    held_hashes,
    list_images,
)
from tests.storage.rows import STAMP, add

pytestmark = pytest.mark.both_databases


def test_images_are_given_back_as_they_were_kept(database: Database, gallery: int) -> None:
    (kept,) = add(database, gallery, "aa")
    row = get_image(database, kept.id)
    assert (row.name, row.width, row.height, row.encoding.exit, row.encoding.macs_query) == ("aa.jpg", 4, 3, 1, 0)
    assert [[tuple(phrase) for phrase in each] for each in row.encoding.phrases] == [[("a dog", 0.5)]]
    assert row.collection.model == "mini"
    assert row.collection.budget == 0.5
    assert database.pictures.path(row.content_hash).read_bytes() == b"aa.jpg"


def test_the_same_bytes_are_kept_once_in_a_collection_and_again_in_another(database: Database, gallery: int) -> None:
    assert len(add(database, gallery, "aa", "bb")) == 2
    assert [row.name for row in add(database, gallery, "bb", "cc")] == ["cc.jpg"]
    assert add(database, gallery, "aa") == []
    assert len(add(database, open_collection(database, "other", "gallery", None), "aa")) == 1
    assert has_image(database, gallery, "aa" * 32)
    assert not has_image(database, gallery, "dd" * 32)


def test_an_image_that_waits_for_an_encoding_gets_that_of_its_file_added_again(
    database: Database, gallery: int
) -> None:
    one, two = add(database, gallery, "aa", "bb")
    newer = replace(STAMP, weights_hash="c" * 64)
    restamp(database, gallery, newer, ())
    database.pictures.path(one.content_hash).unlink()
    assert held_hashes(database, gallery, [one.content_hash]) == set()
    assert content_hashes(database, gallery) == []
    before = get_collection(database, gallery).revision
    (again,) = add(database, gallery, "aa", stamp=newer)
    assert (again.id, again.name, again.encoding.model) == (one.id, "aa.jpg", newer.key)
    assert [row.id for row in list_images(database, gallery, 9)] == [one.id]
    assert database.pictures.path(one.content_hash).read_bytes() == b"aa.jpg"
    assert list_changes(database, gallery, before, 9).ids.tolist() == [one.id], "an index learns of it"
    assert images_without_encoding(database, gallery) == [two.id]
    assert has_image(database, gallery, two.content_hash), "it takes no more room when it comes again"
    assert held_hashes(database, gallery, [one.content_hash, two.content_hash]) == {one.content_hash}
    assert add(database, gallery, "aa", stamp=newer) == []


def test_images_come_in_the_order_asked_for(database: Database, gallery: int) -> None:
    ids = [row.id for row in add(database, gallery, "aa", "bb", "cc")]
    assert [row.id for row in get_images(database, [ids[2], 99, ids[0]])] == [ids[2], ids[0]]
    assert [row.name for row in list_images(database, gallery, 2)] == ["aa.jpg", "bb.jpg"]


def test_no_row_without_its_picture(database: Database, gallery: int, home: Path) -> None:
    (home / "pictures").write_text("in the way")
    with pytest.raises(StoreUnusable):
        add(database, gallery, "aa")
    assert TotalsCache(database).of(get_collection(database, gallery)).photos == 0


def test_a_picture_whose_place_cannot_be_looked_at_is_a_sentence(
    database: Database, gallery: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database.pictures, "path", lambda content_hash: Path(content_hash * 9))
    with pytest.raises(StoreUnusable, match=r"cannot be used .*File name too long"):
        add(database, gallery, "a")


def test_many_threads_adding_the_same_photos_keep_each_once(database: Database, gallery: int) -> None:
    names = [f"{number:02x}" for number in range(16)]
    with ThreadPoolExecutor(6) as threads:
        kept = list(threads.map(lambda _: len(add(database, gallery, *names)), range(6)))
    assert sum(kept) == TotalsCache(database).of(get_collection(database, gallery)).photos == 16
