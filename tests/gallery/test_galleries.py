"""Galleries are made, named, published and deleted; each tells what its photos cost."""

from dataclasses import asdict

import pytest

from engine.gallery import GalleryMissing, Library
from engine.gallery.galleries import (
    delete_gallery,
    delete_photos,
    filling,
    find_gallery,
    get_photo,
    latest_gallery,
    list_galleries,
    list_photos,
    open_gallery,
    publish_gallery,
    published_gallery,
    rename_gallery,
    summarize_gallery,
    typical_photos,
)
from engine.gallery.ingest import ingest_files
from engine.gallery.search import search_photos
from engine.storage.collections import delete_collection
from engine.storage.database import Database
from engine.storage.schema import NameTaken, PhotoMissing
from engine.utils.errors import EngineError
from tests.fake_encoder import FakeEncoder
from tests.pictures import Fill, MakeUpload, encoded, left_red_right_blue
from tests.statements import statements

pytestmark = pytest.mark.both_databases


def test_a_photo_tells_what_it_cost(library: Library, gallery: int, upload: MakeUpload) -> None:
    ingest_files(
        library, gallery, [upload("plain.png", "red"), upload("busy.png", encoded(left_red_right_blue(), "PNG"))]
    )
    plain, busy = list_photos(library, gallery)
    assert (plain.exit, plain.exits, plain.macs, plain.macs_share) == (1, 3, 40, 0.4)
    assert (busy.exit, busy.macs, busy.macs_share) == (3, 100, 1.0)
    assert (busy.width, busy.height, busy.milliseconds, busy.budget) == (40, 20, 2.0, 0.75)
    assert plain.gates.tolist() == [[1.0] * 15 + [0.0] * 2]
    assert busy.gates.tolist() == [[0.0] * 17] * 2
    assert plain.nearest_texts == ((("a colour", 0.9), ("a thing", 0.1)),)
    assert len(busy.nearest_texts) == 3
    assert asdict(get_photo(library, busy.id))["file"] == "busy.png"


def test_to_sum_up_a_gallery_that_has_not_changed_takes_two_statements(library: Library, gallery: int) -> None:
    summarize_gallery(library, gallery)
    with statements() as said:
        summarize_gallery(library, gallery)
    assert len(said) == 2  # its row, and how many photos it has


def test_a_model_without_exits_has_no_gates(database: Database, upload: MakeUpload) -> None:
    library = Library(database, lambda: FakeEncoder(exits=1, exit_macs=(100,)))
    gallery = open_gallery(library, "full")
    ingest_files(library, gallery, [upload("r.png", "red")])
    (photo,) = list_photos(library, gallery)
    assert (photo.exit, photo.exits, photo.macs_share, photo.gates.size) == (1, 1, 1.0, 0)


def test_a_gallery_that_got_no_photo_goes_once_no_more_are_coming(library: Library, upload: MakeUpload) -> None:
    with filling(library, "made"), filling(library, "made") as same:
        pass
    assert find_gallery(library, "made") is None
    first = filling(library, "made")
    with first, filling(library, "made") as same:
        first.__exit__(None, None, None)  # the one that it was made for ends first, with nothing
        ingest_files(library, same, [upload("a.png", "red")])
    assert summarize_gallery(library, same).photos == 1


def test_photos_of_another_process_keep_a_gallery_that_was_made_for_others(
    library: Library, database: Database, upload: MakeUpload
) -> None:
    elsewhere = Library(database, FakeEncoder)
    with filling(library, "made") as gallery:
        ingest_files(elsewhere, gallery, [upload("a.png", "red")])
    assert summarize_gallery(library, gallery).photos == 1
    with filling(library, "there"):
        open_gallery(elsewhere, "there")
    assert find_gallery(library, "there") is None


def test_a_blank_name_is_none(library: Library, gallery: int) -> None:
    with pytest.raises(EngineError, match="needs a name"):
        rename_gallery(library, gallery, "  ")


def test_a_summary_adds_up(library: Library, gallery: int, upload: MakeUpload) -> None:
    empty = summarize_gallery(library, gallery)
    assert (empty.photos, empty.macs, empty.saved_share, empty.exits, empty.model) == (0, 0, 0.0, (), None)
    ingest_files(
        library,
        gallery,
        [upload("a.png", "red"), upload("b.png", "blue"), upload("c.png", encoded(left_red_right_blue(), "PNG"))],
    )
    summary = summarize_gallery(library, gallery)
    assert (summary.photos, summary.macs, summary.macs_in_full) == (3, 180, 300)
    assert summary.saved_share == pytest.approx(0.4)
    assert (summary.exits, summary.model, summary.kind) == ((2, 0, 1), "fake", "gallery")


def test_the_latest_gallery_is_never_the_demo(library: Library, upload: MakeUpload) -> None:
    assert latest_gallery(library) is None
    first, second = open_gallery(library, "first"), open_gallery(library, "second")
    demo = open_gallery(library, "demo", kind="demo")
    assert latest_gallery(library) is None
    for collection in (second, first, demo):
        ingest_files(library, collection, [upload("r.png", "red")])
    assert latest_gallery(library) == first
    assert find_gallery(library, "second") == second
    assert find_gallery(library, "demo") is None
    assert [gallery.name for gallery in list_galleries(library)] == ["demo", "first", "second"]
    ingest_files(library, second, [upload("r.png", "red")])
    assert latest_gallery(library) == second


def test_a_visitors_gallery_is_never_taken_for_ones_own(library: Library, upload: MakeUpload) -> None:
    own, theirs = open_gallery(library, "holiday"), open_gallery(library, "holiday", owner="visitor")
    other = open_gallery(library, "theirs alone", owner="visitor")
    for collection in (own, theirs, other):
        ingest_files(library, collection, [upload("r.png", "red")])
    assert latest_gallery(library) == own
    assert find_gallery(library, "holiday") == own
    assert find_gallery(library, "theirs alone") is None
    assert find_gallery(library, "holiday", "visitor") == theirs
    delete_gallery(library, own)
    assert latest_gallery(library) is None


def test_a_removed_gallery_is_gone_and_its_name_is_free(library: Library, gallery: int, upload: MakeUpload) -> None:
    ingest_files(library, gallery, [upload("r.png", "red")])
    (photo,) = list_photos(library, gallery)
    assert library.picture_path(photo.content_hash).is_file()
    delete_gallery(library, gallery)
    assert not library.picture_path(photo.content_hash).exists()
    with pytest.raises(GalleryMissing):
        search_photos(library, gallery, "red")
    with pytest.raises(GalleryMissing):
        ingest_files(library, gallery, [upload("r.png", "red")])
    with pytest.raises(PhotoMissing):
        get_photo(library, photo.id)
    assert search_photos(library, open_gallery(library, "holiday"), "red") == []


def test_nothing_stays_in_memory_of_a_gallery_that_another_process_deleted(
    library: Library, gallery: int, upload: MakeUpload
) -> None:
    ingest_files(library, gallery, [upload("r.png", "red")])
    search_photos(library, gallery, "red")
    elsewhere = Database.open()
    delete_collection(elsewhere, gallery)
    elsewhere.close()
    with pytest.raises(GalleryMissing):
        summarize_gallery(library, gallery)
    assert gallery not in library.rankings._indexes
    with pytest.raises(GalleryMissing):
        search_photos(library, gallery, "red")


def test_the_encoder_is_loaded_once_and_only_when_needed(database: Database, upload: MakeUpload) -> None:
    loads: list[int] = []

    def load() -> FakeEncoder:
        loads.append(1)
        return FakeEncoder()

    library = Library(database, load)
    gallery = open_gallery(library, "a")
    assert list_photos(library, gallery) == []
    assert list_galleries(library)[0].photos == 0
    assert loads == []
    ingest_files(library, gallery, [upload("r.png", "red")])
    search_photos(library, gallery, "red")
    assert loads == [1]


def test_a_gallery_gets_another_name_that_is_free(library: Library, gallery: int) -> None:
    other = open_gallery(library, "Other")
    rename_gallery(library, other, "Renamed")
    assert find_gallery(library, "Renamed") == other
    rename_gallery(library, other, "Renamed")
    with pytest.raises(NameTaken, match='a gallery "Renamed" already'):
        rename_gallery(library, gallery, "Renamed")


def test_photos_are_deleted_with_their_pictures_and_not_found_any_more(
    library: Library, gallery: int, colours: list[int]
) -> None:
    search_photos(library, gallery, "red")  # the index holds all three
    red = get_photo(library, colours[0])
    assert delete_photos(library, gallery, colours[:1]) == 1
    assert not library.picture_path(red.content_hash).exists()
    assert [hit.photo.file for hit in search_photos(library, gallery, "red", k=3)] == ["green.png", "blue.png"]
    assert summarize_gallery(library, gallery).photos == 2


def test_photos_of_another_gallery_are_not_deleted_and_their_pictures_stay(
    library: Library, gallery: int, colours: list[int], fill: Fill
) -> None:
    other = fill("Other", {"red.png": "red"})
    assert delete_photos(library, other, colours) == 0
    delete_photos(library, gallery, colours[:1])
    (kept,) = list_photos(library, other)
    assert library.picture_path(kept.content_hash).exists()


def test_a_published_gallery_is_found_by_its_link_until_it_is_taken_back(library: Library, gallery: int) -> None:
    link = publish_gallery(library, gallery, True)
    assert link is not None
    assert link == publish_gallery(library, gallery, True) == summarize_gallery(library, gallery).link
    assert published_gallery(library, link) == gallery
    assert published_gallery(library, "") is None
    assert publish_gallery(library, gallery, False) is None
    assert published_gallery(library, link) is None
    assert publish_gallery(library, gallery, True) != link


def test_typical_photos_of_an_exit_are_those_nearest_to_their_mean(
    library: Library, gallery: int, upload: MakeUpload
) -> None:
    ingest_files(library, gallery, [upload("a.png", (9, 1, 0)), upload("b.png", (9, 3, 0)), upload("c.png", (9, 5, 0))])
    assert [photo.file for photo in typical_photos(library, gallery, 1, limit=1)] == ["b.png"]
    assert typical_photos(library, gallery, 3) == []
