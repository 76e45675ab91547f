"""A gallery sorted into albums: by words at once, deeper where in doubt, by hand for good."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from engine.albums.album import AlbumSet, AlbumsRejected, album_of
from engine.albums.scorer import ENCODED_AT_ONCE, TEMPLATES
from engine.gallery import GalleryMissing, Library
from engine.gallery.albums import Aside, albums_of, edit_albums, list_albums, propose_albums, sort_gallery
from engine.gallery.galleries import (
    delete_gallery,
    delete_photos,
    get_photo,
    list_photos,
    open_gallery,
    summarize_gallery,
)
from engine.gallery.ingest import ingest_files
from engine.gallery.reencode import reencode_gallery
from engine.storage.database import StoreUnusable
from tests.fake_encoder import FakeEncoder
from tests.pictures import Fill, MakeUpload

pytestmark = pytest.mark.both_databases

COLOURS = AlbumSet((album_of("reds: red"), album_of("greens: green")))


@pytest.fixture
def fake_encoder() -> FakeEncoder:
    return FakeEncoder(haze=0.1)


@pytest.fixture
def gallery(fill: Fill) -> int:
    """Clear photos, one that full depth alone tells, and one of no album."""
    return fill("colours", {"red": "red", "green": "green", "reddish": (255, 80, 80), "grey": "grey"})


def sorted_into(library: Library, gallery: int, albums: AlbumSet) -> dict[str, str | None]:
    return {photo.file: photo.album for photo in sort_gallery(library, gallery, albums, 1.0).photos}


def test_what_an_album_was_merged_of_is_remembered(library: Library, gallery: int) -> None:
    albums = AlbumSet((album_of("reds: red, rose"), album_of("greens: green"), album_of("blue")))
    merged = albums.merged("greens", "reds").merged("blue", "reds")
    assert merged.albums[0].parts == (("red", "rose"), ("green",), ("blue",))
    edit_albums(library, gallery, lambda _: merged)
    assert list_albums(library, gallery) == merged


def test_words_sort_photos_and_the_rest_is_none(library: Library, gallery: int) -> None:
    found = sort_gallery(library, gallery, COLOURS, 0.4)
    assert {p.file: p.album for p in found.photos} == {
        "red": "reds",
        "green": "greens",
        "reddish": "reds",
        "grey": None,
    }
    table = found.table()
    assert table["albums"] == [{"name": "reds", "photos": 2}, {"name": "greens", "photos": 1}]
    assert table["none"] == 1
    assert all(0 < photo.probability <= 1 for photo in found.photos)


def test_photos_in_doubt_run_deeper_within_the_budget_and_keep_it(library: Library, gallery: int) -> None:
    before = sort_gallery(library, gallery, COLOURS, 0.0)
    assert before.looked == 0
    after = sort_gallery(library, gallery, COLOURS, 1.0)
    assert 0 < after.looked < 4
    assert before.mean_macs_share < after.mean_macs_share <= 1
    assert summarize_gallery(library, gallery).macs_queries > 0
    again = sort_gallery(library, gallery, COLOURS, 1.0)
    assert (again.looked, again.photos) == (0, after.photos)
    deeper = [a.file for b, a in zip(before.photos, after.photos, strict=True) if a.exit > b.exit]
    assert set(deeper) <= {p.file for p in before.photos if p.probability < 0.999}


def test_a_photo_moved_by_hand_stays_for_good(library: Library, gallery: int, fake_encoder: FakeEncoder) -> None:
    grey = next(photo.id for photo in list_photos(library, gallery) if photo.file == "grey")
    edit_albums(library, gallery, lambda albums: COLOURS.moved([grey], "reds"))
    albums = list_albums(library, gallery)
    assert sorted_into(library, gallery, albums)["grey"] == "reds"
    assert get_photo(library, grey).exit == 3, "an example has run to full depth"
    library.encoders.replace(replace(fake_encoder, identity=replace(fake_encoder.identity, weights="c" * 64)))
    reencode_gallery(library, gallery)
    assert sorted_into(library, gallery, list_albums(library, gallery))["grey"] == "reds"
    edit_albums(library, gallery, lambda albums: replace(albums, moves=()))
    assert sorted_into(library, gallery, list_albums(library, gallery))["grey"] is None


def test_a_move_teaches_its_album(library: Library, gallery: int, upload: MakeUpload) -> None:
    ingest_files(library, gallery, [upload("mint", (120, 255, 120)), upload("mint again", (125, 250, 120))])
    assert sorted_into(library, gallery, COLOURS)["mint again"] is None
    mint = next(photo.id for photo in list_photos(library, gallery) if photo.file == "mint")
    found = sorted_into(library, gallery, COLOURS.moved([mint], "greens"))
    assert found["mint again"] == found["mint"] == "greens"
    assert found["red"] == "reds"


def test_albums_are_kept_and_go_with_what_they_belong_to(library: Library, gallery: int) -> None:
    photos = [photo.id for photo in list_photos(library, gallery)]
    edit_albums(library, gallery, lambda _: COLOURS.moved(photos, "reds").moved(photos[:1], None))
    assert list_albums(library, gallery).albums == COLOURS.albums
    delete_photos(library, gallery, photos[:1])
    assert list_albums(library, gallery).by_hand() == dict.fromkeys(photos[1:], "reds")
    with pytest.raises(AlbumsRejected):
        edit_albums(library, gallery, lambda albums: albums.renamed("reds", "greens"))
    assert list_albums(library, gallery).albums == COLOURS.albums, "a change that is refused changes nothing"
    delete_gallery(library, gallery)
    assert list_albums(library, gallery) == AlbumSet()
    with pytest.raises(GalleryMissing):
        edit_albums(library, gallery, lambda _: COLOURS)


def test_a_gallery_that_is_not_ones_own_stays_as_it_is(library: Library, gallery: int) -> None:
    before = list_photos(library, gallery)
    aside = Aside()
    found = sort_gallery(library, gallery, COLOURS, 1.0, aside=aside)
    assert found.looked == len(aside.found) > 0
    assert [(p.exit, p.macs) for p in list_photos(library, gallery)] == [(p.exit, p.macs) for p in before]
    again = sort_gallery(library, gallery, COLOURS, 1.0, aside=aside)
    assert (again.looked, again.photos) == (0, found.photos)


def test_a_photo_whose_picture_is_gone_is_sorted_as_it_stands(
    library: Library, gallery: int, fake_encoder: FakeEncoder, home: Path
) -> None:
    fake_encoder.one_pass = False
    for path in (*home.glob("pictures/*/*"), *home.glob("maps/*/*")):
        path.unlink()
    assert sort_gallery(library, gallery, COLOURS, 1.0).looked == 0


def test_nothing_to_sort_and_nothing_to_sort_into(library: Library, gallery: int) -> None:
    assert sort_gallery(library, gallery, AlbumSet()).table()["none"] == 4
    empty = open_gallery(library, "empty")
    assert sort_gallery(library, empty, COLOURS).photos == ()
    assert sort_gallery(library, gallery, AlbumSet((album_of("blue"),)), 0).table()["none"] == 4


def test_stopping_keeps_what_was_run(library: Library, gallery: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        sort_gallery(library, gallery, COLOURS, 1.0, Mock(side_effect=KeyboardInterrupt))
    assert summarize_gallery(library, gallery).macs_queries > 0
    assert sorted_into(library, gallery, COLOURS)["red"] == "reds"


def test_words_that_most_photos_fall_under_are_proposed_first(library: Library, gallery: int) -> None:
    assert propose_albums(library, gallery, ["green", "red", "yellow"])[0] == "red"


def test_a_look_at_a_photo_of_the_demo_gallery_runs_once_and_costs_each_visitor_the_same(
    library: Library, fill: Fill, fake_encoder: FakeEncoder
) -> None:
    demo = fill("demo", {"reddish": (255, 80, 80), "green": "green"}, kind="demo")
    costs = []
    for _ in range(2):
        costs.append(sort_gallery(library, demo, COLOURS, 1.0, aside=Aside()).mean_macs_share)
        ran = len(fake_encoder.visits)
    assert costs[0] == costs[1]
    assert len(fake_encoder.visits) == ran == 1
    looked = summarize_gallery(library, demo)
    spent = (looked.macs_index + looked.macs_queries) / looked.macs_in_full
    assert spent == pytest.approx(costs[0]), "the gallery's account has what ran, once"


def test_a_sort_aside_goes_on_where_what_it_took_cannot_be_counted(
    library: Library, fill: Fill, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    demo = fill("demo", {"reddish": (255, 80, 80), "green": "green"}, kind="demo")
    monkeypatch.setattr("engine.gallery.albums.add_macs", Mock(side_effect=StoreUnusable("The disk is full.")))
    assert sort_gallery(library, demo, COLOURS, 1.0, aside=Aside()).looked == 1
    assert "not counted: The disk is full." in caplog.text


def test_what_ran_aside_costs_a_full_encoding_at_most(library: Library, fill: Fill) -> None:
    demo = fill("demo", {"red": "red"}, kind="demo")
    (photo,) = list_photos(library, demo)
    (run_again,) = library.encoder.deepen(np.zeros((1, 3, 8, 8), np.uint8), 2)
    run_again = replace(run_again, macs=library.encoder.full_macs)
    (sorted_photo,) = sort_gallery(library, demo, COLOURS, 0.2, aside=Aside({photo.id: run_again})).photos
    assert (sorted_photo.exit, sorted_photo.macs_share) == (2, 1)


def test_of_lines_that_are_too_many_no_more_are_read_than_tell_so() -> None:
    read = []

    def lines() -> Iterator[str]:
        for number in range(10_000):
            read.append(number)
            yield str(number)

    with pytest.raises(AlbumsRejected, match="100 albums at most"):
        albums_of(lines())
    assert len(read) == 101
    assert [album.name for album in albums_of(["red", " ", "blues: blue"])] == ["red", "blues"]


def test_phrases_are_embedded_once_and_a_few_at_a_time(
    library: Library, gallery: int, fake_encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Sequence[str]] = []
    encode = fake_encoder.encode_text
    monkeypatch.setattr(fake_encoder, "encode_text", lambda texts: asked.append(texts) or encode(texts))
    many = AlbumSet((album_of("reds: red, " + ", ".join(f"thing {n}" for n in range(50))), album_of("greens: green")))
    first = sort_gallery(library, gallery, many, 0.0)
    assert sum(map(len, asked)) == 52 * len(TEMPLATES)
    assert max(map(len, asked)) <= ENCODED_AT_ONCE * len(TEMPLATES)
    asked.clear()
    assert sort_gallery(library, gallery, many, 0.0) == first
    sort_gallery(library, gallery, many.deleted("greens").with_albums([album_of("blue")]), 0.0)
    assert [list(texts) for texts in asked] == [[template.format("blue") for template in TEMPLATES]]
