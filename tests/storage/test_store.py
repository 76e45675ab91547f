"""Rows and picture files come and go together, and a vector of another model never meets the others."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.storage.database import StoreUnusable
from engine.storage.store import EncodingRow, GalleryMissing, ImageRow, ModelChanged, ModelStamp, PhotoMissing, Store

pytestmark = pytest.mark.both_databases

STAMP = ModelStamp("mini", "a" * 64, "b" * 64, exits=3, full_macs=100)


def image(name: str, exit: int = 1, vector: tuple[float, ...] = (1.0, 0.0)) -> ImageRow:
    encoding = EncodingRow(
        vector=np.array(vector, np.float32).tobytes(),
        exit=exit,
        gates=b"",
        phrases=[[("a dog", 0.5)]],
        macs_index=30 * exit,
        milliseconds=1.5,
        budget=0.5,
    )
    return ImageRow(
        content_hash=name * 32, name=f"{name}.jpg", width=4, height=3, bytes=9, added_at=0.0, encoding=encoding
    )


def add(store: Store, collection_id: int, *names: str, stamp: ModelStamp = STAMP) -> list[ImageRow]:
    rows = [image(name) for name in names]
    return store.add(collection_id, stamp, rows, {row.content_hash: row.name.encode() for row in rows}, {})


@pytest.fixture
def gallery(store: Store) -> int:
    return store.open_collection("holiday", "gallery", None)


def test_a_name_is_one_collection_for_each_owner_and_kind(store: Store, gallery: int) -> None:
    assert store.open_collection("holiday", "gallery", None) == gallery
    others = {
        store.open_collection("holiday", "demo", None),
        store.open_collection("holiday", "gallery", "ann"),
        store.open_collection("holiday", "gallery", "bob"),
        store.open_collection("home", "gallery", None),
    }
    assert len(others | {gallery}) == 5


def test_many_threads_opening_a_name_get_the_same_collection(store: Store) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(lambda _: store.open_collection("new", "gallery", None), range(24)))) == 1


def test_images_are_given_back_as_they_were_kept(store: Store, gallery: int) -> None:
    (kept,) = add(store, gallery, "aa")
    row = store.image(kept.id)
    assert (row.name, row.width, row.height, row.encoding.exit, row.encoding.macs_query) == ("aa.jpg", 4, 3, 1, 0)
    assert row.encoding.phrases == [[["a dog", 0.5]]]
    assert row.collection.model == "mini"
    assert row.collection.budget == 0.5
    assert store.picture_path(row.content_hash).read_bytes() == b"aa.jpg"


def test_the_same_bytes_are_kept_once_in_a_collection_and_again_in_another(store: Store, gallery: int) -> None:
    assert len(add(store, gallery, "aa", "bb")) == 2
    assert [row.name for row in add(store, gallery, "bb", "cc")] == ["cc.jpg"]
    assert add(store, gallery, "aa") == []
    assert len(add(store, store.open_collection("other", "gallery", None), "aa")) == 1
    assert store.has_image(gallery, "aa" * 32)
    assert not store.has_image(gallery, "dd" * 32)


def test_images_come_in_the_order_asked_for(store: Store, gallery: int) -> None:
    ids = [row.id for row in add(store, gallery, "aa", "bb", "cc")]
    assert [row.id for row in store.images([ids[2], 99, ids[0]])] == [ids[2], ids[0]]
    assert [row.name for row in store.page(gallery, 1, 5)] == ["bb.jpg", "cc.jpg"]


def test_changes_follow_on_from_a_revision(store: Store, gallery: int) -> None:
    other = store.open_collection("other", "gallery", None)
    first = add(store, gallery, "aa")
    add(store, other, "bb")
    last = add(store, gallery, "cc", "dd")
    found = store.changes(gallery, after=0, limit=2)
    assert found.ids.tolist() == [first[0].id, last[0].id]
    assert (found.exits.tolist(), found.vectors.tolist()) == ([1, 1], [[1.0, 0.0]] * 2)
    rest = store.changes(gallery, after=int(found.revisions[-1]), limit=9)
    assert rest.ids.tolist() == [last[1].id]
    nothing = store.changes(gallery, after=int(rest.revisions[-1]), limit=9)
    assert (len(nothing.ids), nothing.vectors.shape) == (0, (0, 0))


def test_totals(store: Store, gallery: int) -> None:
    assert store.totals(gallery).photos == 0
    rows = [image("aa"), image("bb", exit=3), image("cc", exit=3)]
    store.add(gallery, STAMP, rows, {row.content_hash: b"" for row in rows}, {})
    totals = store.totals(gallery)
    assert (totals.photos, totals.macs_index, totals.exits) == (3, 210, {1: 1, 3: 2})


def test_totals_follow_what_another_process_does(store: Store, gallery: int, home: Path) -> None:
    other = Store.open(home)
    (first,) = add(store, gallery, "aa")
    assert store.totals(gallery).exits == {1: 1}
    add(other, gallery, "bb")
    assert store.totals(gallery).exits == {1: 2}
    again = image("aa", exit=3).encoding
    other.recode(gallery, STAMP, {first.id: again}, {})
    assert (store.totals(gallery).exits, store.totals(gallery).macs_index) == ({1: 1, 3: 1}, 120)
    other.remove_images(gallery, [first.id])
    assert store.totals(gallery).exits == {1: 1}
    other.restamp(gallery, replace(STAMP, weights_hash="c" * 64), None, False)
    assert (store.totals(gallery).photos, store.totals(gallery).waiting) == (0, 1)
    other.close()


@pytest.mark.parametrize("change", [{"weights_hash": "c" * 64}, {"exits_hash": ""}])
def test_another_model_is_refused_and_nothing_is_kept(store: Store, gallery: int, change: dict[str, str]) -> None:
    add(store, gallery, "aa")
    with pytest.raises(ModelChanged, match=r'"holiday" was encoded with mini \(weights aaaaaaaa, exits bbbbbbbb\)'):
        add(store, gallery, "bb", stamp=replace(STAMP, **change))
    assert store.totals(gallery).photos == 1
    assert not store.picture_path("bb" * 32).exists()


def test_the_same_weights_under_another_name_are_the_same_model(store: Store, gallery: int) -> None:
    add(store, gallery, "aa")
    assert add(store, gallery, "bb", stamp=replace(STAMP, model="/models/mini"))


def test_an_empty_collection_takes_any_model(store: Store, gallery: int) -> None:
    store.touch(gallery)
    store.collection(gallery).require(STAMP)
    assert store.add(gallery, STAMP, [], {}, {}) == []
    assert store.collection(gallery).model is None


def test_a_batch_is_kept_whole_or_not_at_all(store: Store, gallery: int) -> None:
    broken = image("bb")
    broken.encoding.vector = None  # type: ignore[assignment]
    with pytest.raises(StoreUnusable):
        store.add(gallery, STAMP, [image("aa"), broken], {"aa" * 32: b"", "bb" * 32: b""}, {})
    assert store.totals(gallery).photos == 0
    assert len(add(store, gallery, "aa", "bb")) == 2


def test_no_row_without_its_picture(store: Store, gallery: int, home: Path) -> None:
    (home / "pictures").write_text("in the way")
    with pytest.raises(StoreUnusable):
        add(store, gallery, "aa")
    assert store.totals(gallery).photos == 0


def test_a_picture_file_is_whole_or_not_there(store: Store, gallery: int, home: Path) -> None:
    add(store, gallery, "aa", "bb")
    assert sorted(path.name for path in home.glob("pictures/**/*.*")) == ["aa" * 32 + ".jpg", "bb" * 32 + ".jpg"]


def test_removing_a_collection_keeps_what_others_use(store: Store, gallery: int) -> None:
    other = store.open_collection("other", "gallery", None)
    gone = add(store, gallery, "aa", "bb")
    add(store, other, "bb")
    store.remove(gallery)
    with pytest.raises(GalleryMissing):
        store.collection(gallery)
    with pytest.raises(PhotoMissing):
        store.image(gone[0].id)
    assert not store.picture_path("aa" * 32).exists()
    assert store.picture_path("bb" * 32).exists()
    assert store.totals(other).photos == 1
    assert add(store, store.open_collection("new", "gallery", None), "aa")[0].id > gone[-1].id + 1


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.collection(7),
        lambda store: store.touch(7),
        lambda store: store.remove(7),
        lambda store: add(store, 7, "aa"),
    ],
)
def test_a_collection_that_is_gone_is_said_to_be(store: Store, call: Callable[[Store], object]) -> None:
    with pytest.raises(GalleryMissing, match="no gallery number 7"):
        call(store)


def test_the_one_indexed_last_comes_first(store: Store, gallery: int) -> None:
    second = store.open_collection("second", "gallery", None)
    never = store.open_collection("never", "demo", None)
    store.touch(second)
    store.touch(gallery)
    assert [row.id for row in store.collections()] == [gallery, second, never]
    assert [row.id for row in store.collections("demo")] == [never]


def test_many_threads_adding_the_same_photos_keep_each_once(store: Store, gallery: int) -> None:
    names = [f"{number:02x}" for number in range(16)]
    with ThreadPoolExecutor(6) as threads:
        kept = list(threads.map(lambda _: len(add(store, gallery, *names)), range(6)))
    assert sum(kept) == store.totals(gallery).photos == 16


def test_reading_goes_on_while_another_writes(store: Store, gallery: int) -> None:
    add(store, gallery, "aa")
    with store._write():
        assert store.totals(gallery).photos == 1


def test_the_store_is_light_to_import() -> None:
    heavy = (
        "import engine.storage.store, sys\nsys.exit(bool({'torch', 'faiss', 'open_clip', 'gradio'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", heavy], cwd=Path(__file__).parents[2], check=False).returncode == 0
