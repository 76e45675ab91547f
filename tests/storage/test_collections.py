"""A name is one collection of one model; its sums are right, and what goes takes its files along."""

import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.storage.collections import (
    TotalsCache,
    delete_collection,
    find_collection,
    get_collection,
    hold,
    list_collections,
    mark_indexed,
    open_collection,
    rename_collection,
    restamp,
)
from engine.storage.database import Database
from engine.storage.encodings import replace_encodings
from engine.storage.images import add_images, delete_images, get_image
from engine.storage.schema import GalleryMissing, ModelChanged, NameTaken, PhotoMissing
from tests.storage.rows import STAMP, add, image, reached

pytestmark = pytest.mark.both_databases


def test_a_name_is_one_collection_for_each_owner_and_kind(database: Database, gallery: int) -> None:
    assert open_collection(database, "holiday", "gallery", None) == gallery
    others = {
        open_collection(database, "holiday", "gallery", "ann"),
        open_collection(database, "holiday", "gallery", "bob"),
        open_collection(database, "home", "gallery", None),
        open_collection(database, "holiday", "demo", None),
    }
    assert len(others | {gallery}) == 5


def test_a_name_is_the_same_however_its_accents_are_written(database: Database) -> None:
    """macOS writes folders' names in two pieces a letter, keyboards in one."""
    typed, of_folder = (unicodedata.normalize(form, "Gr\u00f6\u00dfe") for form in ("NFC", "NFD"))
    assert typed != of_folder
    opened = open_collection(database, of_folder, "gallery", None)
    assert open_collection(database, typed, "gallery", None) == opened
    assert get_collection(database, opened).name == typed
    other = open_collection(database, "other", "gallery", None)
    with pytest.raises(NameTaken):
        rename_collection(database, other, of_folder)
    rename_collection(database, opened, unicodedata.normalize("NFD", "\u00dcber"))
    for form in ("NFC", "NFD"):
        assert find_collection(database, unicodedata.normalize(form, "\u00dcber"), "gallery", None) == opened
    assert find_collection(database, typed, "gallery", None) is None


def test_a_folders_name_from_before_is_found(database: Database, gallery: int) -> None:
    of_folder = unicodedata.normalize("NFD", "Gr\u00f6\u00dfe")
    with database.write() as session:
        hold(session, gallery).name = of_folder
    for form in ("NFC", "NFD"):
        assert open_collection(database, unicodedata.normalize(form, of_folder), "gallery", None) == gallery


def test_no_gallery_is_called_as_the_demo_is(database: Database, gallery: int) -> None:
    demo = open_collection(database, "Demo", "demo", None)
    assert open_collection(database, "Demo", "demo", None) == demo
    for owner in (None, "ann"):
        with pytest.raises(NameTaken, match="the demo’s own"):
            open_collection(database, "Demo", "gallery", owner)
    with pytest.raises(NameTaken):
        rename_collection(database, gallery, "Demo")


def test_a_gallery_that_was_called_so_before_stays_open(database: Database) -> None:
    earlier = open_collection(database, "Demo", "gallery", None)
    open_collection(database, "Demo", "demo", None)
    assert open_collection(database, "Demo", "gallery", None) == earlier
    rename_collection(database, earlier, "Mine")


def test_many_threads_opening_a_name_get_the_same_collection(database: Database) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(lambda _: open_collection(database, "new", "gallery", None), range(24)))) == 1


def test_totals(database: Database, gallery: int) -> None:
    assert TotalsCache(database).of(get_collection(database, gallery)).photos == 0
    add(database, gallery, "aa", image("bb", exit=3), image("cc", exit=3))
    totals = TotalsCache(database).of(get_collection(database, gallery))
    assert (totals.photos, totals.macs_index, totals.exits) == (3, 210, {1: 1, 3: 2})


def test_totals_follow_what_another_process_does(database: Database, gallery: int, home: Path) -> None:
    other = Database.open(home)
    (first,) = add(database, gallery, "aa")
    assert TotalsCache(database).of(get_collection(database, gallery)).exits == {1: 1}
    add(other, gallery, "bb")
    assert TotalsCache(database).of(get_collection(database, gallery)).exits == {1: 2}
    replace_encodings(other, gallery, STAMP, {first.id: reached(3, macs=90)})
    totals = TotalsCache(database).of(get_collection(database, gallery))
    assert (totals.exits, totals.macs_index) == ({1: 1, 3: 1}, 120)
    delete_images(other, gallery, [first.id])
    assert TotalsCache(database).of(get_collection(database, gallery)).exits == {1: 1}
    restamp(other, gallery, replace(STAMP, weights_hash="c" * 64), ())
    totals = TotalsCache(database).of(get_collection(database, gallery))
    assert (totals.photos, totals.waiting) == (0, 1)
    other.close()


@pytest.mark.parametrize("change", [{"weights_hash": "c" * 64}, {"exits_hash": ""}])
def test_another_model_is_refused_and_nothing_is_kept(database: Database, gallery: int, change: dict[str, Any]) -> None:
    add(database, gallery, "aa")
    with pytest.raises(ModelChanged, match=r'"holiday" was encoded with mini \(weights aaaaaaaa, exits bbbbbbbb\)'):
        add(database, gallery, "bb", stamp=replace(STAMP, **change))
    assert TotalsCache(database).of(get_collection(database, gallery)).photos == 1
    assert not database.pictures.path("bb" * 32).exists()


def test_another_precision_is_another_model(database: Database, gallery: int) -> None:
    precise, quick = (replace(STAMP, precision=precision) for precision in ("float32", "bfloat16"))
    add(database, gallery, "aa", stamp=precise)
    with pytest.raises(ModelChanged, match=r"exits bbbbbbbb, float32\), and the model is now .*bfloat16\)"):
        add(database, gallery, "bb", stamp=quick)
    totals = TotalsCache(database)
    assert totals.of(get_collection(database, gallery)).waiting == 0
    restamp(database, gallery, quick, ())
    assert totals.of(get_collection(database, gallery)).waiting == 1
    assert add(database, gallery, "bb", stamp=quick)


def test_a_precision_that_is_not_known_fits_any_and_stays_so(database: Database, gallery: int) -> None:
    add(database, gallery, "aa")
    for name, precision in (("bb", "float32"), ("cc", "bfloat16")):
        assert add(database, gallery, name, stamp=replace(STAMP, precision=precision))
    assert get_collection(database, gallery).precision is None


def test_the_same_weights_under_another_name_are_the_same_model(database: Database, gallery: int) -> None:
    add(database, gallery, "aa")
    assert add(database, gallery, "bb", stamp=replace(STAMP, model="/models/mini"))


def test_an_empty_collection_takes_any_model(database: Database, gallery: int) -> None:
    mark_indexed(database, gallery)
    get_collection(database, gallery).require(STAMP)
    assert add_images(database, gallery, STAMP, [], {}, {}) == []
    assert get_collection(database, gallery).model is None


def test_removing_a_collection_keeps_what_others_use(database: Database, gallery: int) -> None:
    other = open_collection(database, "other", "gallery", None)
    gone = add(database, gallery, "aa", "bb")
    add(database, other, "bb")
    delete_collection(database, gallery)
    with pytest.raises(GalleryMissing):
        get_collection(database, gallery)
    with pytest.raises(PhotoMissing):
        get_image(database, gone[0].id)
    assert not database.pictures.path("aa" * 32).exists()
    assert database.pictures.path("bb" * 32).exists()
    assert TotalsCache(database).of(get_collection(database, other)).photos == 1
    assert add(database, open_collection(database, "new", "gallery", None), "aa")[0].id > gone[-1].id + 1


@pytest.mark.parametrize(
    "call",
    [
        lambda database: get_collection(database, 7),
        lambda database: mark_indexed(database, 7),
        lambda database: delete_collection(database, 7),
        lambda database: add(database, 7, "aa"),
    ],
)
def test_a_collection_that_is_gone_is_said_to_be(database: Database, call: Callable[[Database], object]) -> None:
    with pytest.raises(GalleryMissing, match="no gallery number 7"):
        call(database)


def test_the_one_indexed_last_comes_first(database: Database, gallery: int) -> None:
    second = open_collection(database, "second", "gallery", None)
    never = open_collection(database, "never", "demo", None)
    mark_indexed(database, second)
    mark_indexed(database, gallery)
    assert [row.id for row in list_collections(database)] == [gallery, second, never]
    assert [row.id for row in list_collections(database, "demo")] == [never]


def test_the_collection_indexed_last_is_the_first_wherever_the_clock_is(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [open_collection(database, name, "gallery", None) for name in ("a", "b", "c")]
    clock = iter((2e9, 1.7e9, 0.0))  # set ahead by mistake, then set back
    monkeypatch.setattr("engine.storage.collections.time.time", clock.__next__)
    for gallery in reversed(ids):
        mark_indexed(database, gallery)
    assert [row.id for row in list_collections(database)] == ids
