"""Words and pictures in, the right photos out."""

from dataclasses import replace
from functools import partial
from io import BytesIO
from unittest.mock import Mock

import numpy as np
import pytest
from cachetools import TTLCache
from PIL import Image

from engine.gallery import GalleryMissing, Library, Query, Upload
from engine.gallery.galleries import list_photos, open_gallery, summarize_gallery, years_of
from engine.gallery.ingest import ingest_files
from engine.gallery.search import (
    embed_picture,
    embed_query,
    explain_photo,
    rank_gallery,
    rank_photos,
    refine_search,
    search_photos,
)
from engine.ingest.image import ImageRejected
from engine.search import ranking as ranking_module
from engine.search.query_parser import QueryRejected
from engine.storage.database import Database, StoreUnusable
from engine.storage.dates import UNDATED
from engine.storage.images import delete_images
from engine.storage.schema import Kind, PhotoMissing
from tests.fake_encoder import FakeEncoder
from tests.pictures import Fill, MakePng, MakeUpload, dated, encoded

pytestmark = pytest.mark.both_databases


def test_words_find_the_photos_they_fit(library: Library, gallery: int, upload: MakeUpload) -> None:
    ingest_files(library, gallery, [upload("b.png", "blue"), upload("r.png", "red"), upload("y.png", "yellow")])
    hits = search_photos(library, gallery, "red")
    assert [(hit.rank, hit.photo.file) for hit in hits] == [(1, "r.png"), (2, "y.png"), (3, "b.png")]
    doubt = 0.06**2 * 20 / 2  # a photo that left early may be better: the mean of its likelihood
    assert [hit.score for hit in hits] == pytest.approx([1 + doubt, 0.5**0.5 + doubt, doubt])
    assert [hit.photo.file for hit in search_photos(library, gallery, "blue", k=1)] == ["b.png"]


def test_equal_scores_keep_the_order_in_which_photos_came(
    library: Library, gallery: int, upload: MakeUpload, png: MakePng
) -> None:
    ingest_files(library, gallery, [upload(f"{side}.png", png("red", (side, side))) for side in (9, 200, 30, 100)])
    for k in (1, 2, 3, 4):
        assert [hit.photo.file for hit in search_photos(library, gallery, "red", k)] == [
            "9.png",
            "200.png",
            "30.png",
            "100.png",
        ][:k]


def test_another_process_sees_what_this_one_added(
    library: Library, gallery: int, upload: MakeUpload, fake_encoder: FakeEncoder
) -> None:
    assert search_photos(library, gallery, "red") == []
    elsewhere = Database.open()
    ingest_files(Library(elsewhere, lambda: fake_encoder), gallery, [upload("r.png", "red")])
    elsewhere.close()
    assert [hit.photo.file for hit in search_photos(library, gallery, "red")] == ["r.png"]


def test_an_index_that_nobody_searches_is_let_go_of_and_made_again(
    database: Database, fake_encoder: FakeEncoder, gallery: int, colours: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]  # seconds
    monkeypatch.setattr(ranking_module, "TTLCache", partial(TTLCache, timer=lambda: now[0]))
    library = Library(database, lambda: fake_encoder)
    other = open_gallery(library, "Other")
    search_photos(library, gallery, "red")
    now[0] += ranking_module.IDLE - 1
    search_photos(library, gallery, "red")
    now[0] += ranking_module.IDLE - 1
    search_photos(library, other, "red")
    assert list(library.rankings._indexes) == [gallery, other]
    now[0] += 1
    search_photos(library, other, "red")
    assert list(library.rankings._indexes) == [other]
    assert search_photos(library, gallery, "green", k=1)[0].photo.id == colours[1]


def test_photos_that_another_process_deletes_leave_no_page_short(
    library: Library, gallery: int, upload: MakeUpload
) -> None:
    ingest_files(library, gallery, [upload(f"{shade}.png", (255, shade, 0)) for shade in range(40)])
    best, *others = [hit.photo for hit in search_photos(library, gallery, "red", k=40)]
    elsewhere = Database.open()
    delete_images(elsewhere, gallery, [best.id, others[6].id, others[30].id])
    elsewhere.close()
    expected = [photo.file for photo in others if photo not in (others[6], others[30])]
    for k in (2, 20, 37):
        found = [(hit.rank, hit.photo.file) for hit in search_photos(library, gallery, "red", k)]
        assert found == list(enumerate(expected, start=1))[:k]
    assert len(refine_search(library, gallery, "red", k=5).hits) == 5
    assert refine_search(library, gallery, "red", k=0).hits == search_photos(library, gallery, "red", k=0) == []


def test_words_and_pictures_make_a_query(library: Library, gallery: int, colours: list[int]) -> None:
    for nothing in ("", "  \n"):
        assert embed_query(library, gallery, nothing) is None
        assert search_photos(library, gallery, nothing) == []
    found = embed_query(library, gallery, f"photo:{colours[1]} + blue")
    assert found is not None
    assert np.allclose(found.vector, np.array([0, 1, 1]) / np.sqrt(2), atol=0.01)
    assert not found.picture
    assert found.photos == {colours[1]}
    dropped = np.array([1, 0, 0], np.float32)
    alone = embed_query(library, gallery, "photo:dropped", dropped)
    assert alone is not None
    assert (alone.vector.tolist(), alone.picture) == ([1, 0, 0], True)
    with pytest.raises(QueryRejected, match="drop it again"):
        embed_query(library, gallery, "photo:dropped")


def test_a_line_means_the_same_wherever_it_is_asked(library: Library, gallery: int, colours: list[int]) -> None:
    red, green, blue = colours
    line = f"photo:{green} + 2:blue - red"
    assert [hit.photo.id for hit in search_photos(library, gallery, line)] == [blue, green, red]
    assert [hit.photo.id for hit in refine_search(library, gallery, line).hits] == [blue, green, red]
    assert rank_photos(library, gallery, line, colours) == [blue, green, red]
    assert max(colours, key=lambda photo: explain_photo(library, photo, line)[-1].score) == blue
    for ask in (search_photos, refine_search):
        with pytest.raises(QueryRejected, match="cancel each other out"):
            ask(library, gallery, "red - 1:red")


def test_hubs_are_held_back_for_words_and_not_for_pictures(
    library: Library, gallery: int, upload: MakeUpload, fake_encoder: FakeEncoder
) -> None:
    fake_encoder.affinity_weight = 1.0
    ingest_files(library, gallery, [upload("pink.png", (255, 200, 200)), upload("red.png", (255, 0, 90))])
    pink, red = list_photos(library, gallery)
    words = Query(np.array([0.9, 0.3, 0.3], np.float32))
    assert [hit.photo.file for hit in search_photos(library, gallery, words)] == ["red.png", "pink.png"]
    for photo in (pink, red):
        like = embed_query(library, gallery, f"photo:{photo.id}")
        assert like is not None
        first, _ = search_photos(library, gallery, like)
        assert (first.photo.id, round(first.score, 3)) == (photo.id, 1)
        assert refine_search(library, gallery, like, k=2).hits[0].photo.id == photo.id


def test_the_words_of_a_query_are_encoded_once(
    library: Library, gallery: int, fake_encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[str] = []
    encode = fake_encoder.encode_text
    monkeypatch.setattr(fake_encoder, "encode_text", lambda texts: encoded.extend(texts) or encode(texts))
    first, again = (embed_query(library, gallery, "2:red + blue") for _ in range(2))
    assert first is not None
    assert again is not None
    np.testing.assert_array_equal(first.vector, again.vector)
    fake_encoder.identity = replace(fake_encoder.identity, weights="c" * 64)
    embed_query(library, gallery, "blue")
    assert encoded == ["red", "blue", "blue"]


def test_a_picture_of_another_gallery_is_no_query(library: Library, colours: list[int]) -> None:
    other = open_gallery(library, "Other")
    with pytest.raises(PhotoMissing, match="in this gallery"):
        embed_query(library, other, f"photo:{colours[0]}")


def test_a_dropped_picture_is_looked_at_in_full_and_not_kept(library: Library, gallery: int, png: MakePng) -> None:
    vector, small = embed_picture(library, gallery, png("green", (900, 300)), "g.png")
    assert vector.round(1).tolist() == [0, 1, 0]
    assert Image.open(BytesIO(small)).size == (128, 43)
    with pytest.raises(ImageRejected):
        embed_picture(library, gallery, b"text", "t.png")
    summary = summarize_gallery(library, gallery)
    assert summary.photos == 0
    assert summary.macs_pictures == library.encoder.full_macs, "the one that was looked at"
    with pytest.raises(GalleryMissing):
        embed_picture(library, 999, png("green"), "g.png")


def test_a_year_finds_its_own_photos_alone_and_looks_at_no_other_again(
    library: Library, gallery: int, upload: MakeUpload
) -> None:
    def taken(year: int, colour: str) -> Upload:
        return upload(
            f"{year} {colour}", encoded(Image.new("RGB", (9, 9), colour), "PNG", exif=dated(f"{year}:05:01 10:00:00"))
        )

    made = [(year, colour) for year in (2019, 2020) for colour in ("red", "yellow", "blue")]
    ingest_files(library, gallery, [taken(*each) for each in made])
    hits = search_photos(library, gallery, "red", year=2020)
    assert [(hit.rank, hit.photo.file) for hit in hits] == [(1, "2020 red"), (2, "2020 yellow"), (3, "2020 blue")]
    assert search_photos(library, gallery, "red", year=UNDATED) == []
    assert years_of(library, gallery) == {2020: 3, 2019: 3}
    query = embed_query(library, gallery, "red")
    assert query is not None
    ranking = rank_gallery(library, gallery, query, 2, year=2019)
    refined = refine_search(library, gallery, query, 2, ranking)
    assert [hit.photo.file for hit in refined.hits] == ["2019 red", "2019 yellow"]


@pytest.mark.parametrize("kind", ["gallery", "demo"])
def test_second_looks_that_cannot_be_kept_are_answered_with(
    library: Library, fill: Fill, kind: Kind, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gallery = fill("full", {f"{shade}.png": (255, shade, 0) for shade in range(40)}, kind=kind)
    for keeps in ("keep_deeper", "add_macs"):
        monkeypatch.setattr(f"engine.gallery.search.{keeps}", Mock(side_effect=StoreUnusable("The disk is full.")))
    refined = refine_search(library, gallery, "red", 5)
    assert refined.deepened
    assert len(refined.hits) == 5
    deep = {deepened.photo_id for deepened in refined.deepened}
    assert all(hit.photo.exit > 1 for hit in refined.hits if hit.photo.id in deep)
    assert "The disk is full." in caplog.text
