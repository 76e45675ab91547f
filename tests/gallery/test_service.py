"""Photos in, words in, right photos out, with what each one cost; and what was not taken in, with the reason."""

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.gallery import Catalog, GalleryMissing, ModelChanged, Photo, Progress, Skipped, Upload
from engine.ingest import decode as decode_module
from engine.ingest.image import ImageRejected
from engine.search.query_parser import QueryRejected
from engine.search.ranking import IDLE
from engine.storage.store import NameTaken, PhotoMissing, Store
from tests.conftest import FakeEncoder, FakeIdentity
from tests.pictures import encoded, left_red_right_blue, noise, png_declaring

pytestmark = pytest.mark.both_databases

MakeUpload = Callable[..., Upload]


@pytest.fixture
def gallery(catalog: Catalog) -> int:
    return catalog.open_collection("holiday")


def shades(upload: MakeUpload, count: int) -> list[Upload]:
    return [upload(f"{number}.png", (255, number, 0)) for number in range(count)]


def files(photos: list[Photo]) -> list[str]:
    return [photo.file for photo in photos]


def test_words_find_the_photos_they_fit(catalog: Catalog, gallery: int, upload: MakeUpload) -> None:
    catalog.ingest(gallery, [upload("b.png", "blue"), upload("r.png", "red"), upload("y.png", "yellow")])
    hits = catalog.search(gallery, "red")
    assert [(hit.rank, hit.photo.file) for hit in hits] == [(1, "r.png"), (2, "y.png"), (3, "b.png")]
    assert [hit.score for hit in hits] == pytest.approx([1, 0.5**0.5, 0])
    assert [hit.photo.file for hit in catalog.search(gallery, "blue", k=1)] == ["b.png"]


def test_equal_scores_keep_the_order_in_which_photos_came(catalog: Catalog, gallery: int, upload: MakeUpload) -> None:
    catalog.ingest(gallery, [upload(f"{dark}.png", (dark, 0, 0)) for dark in (9, 200, 30, 100)])
    for k in (1, 2, 3, 4):
        assert [hit.photo.file for hit in catalog.search(gallery, "red", k)] == [
            "9.png",
            "200.png",
            "30.png",
            "100.png",
        ][:k]


@pytest.mark.parametrize("text", ["", "  \n"])
def test_no_words_find_nothing(catalog: Catalog, gallery: int, upload: MakeUpload, text: str) -> None:
    catalog.ingest(gallery, [upload("r.png", "red")])
    assert catalog.search(gallery, text) == []


def test_an_empty_gallery_finds_nothing(catalog: Catalog, gallery: int) -> None:
    assert catalog.search(gallery, "red") == []


def test_a_photo_tells_what_it_cost(catalog: Catalog, gallery: int, upload: MakeUpload) -> None:
    catalog.ingest(gallery, [upload("plain.png", "red"), upload("busy.png", encoded(left_red_right_blue(), "PNG"))])
    plain, busy = catalog.photos(gallery)
    assert (plain.exit, plain.exits, plain.macs, plain.macs_share) == (1, 3, 40, 0.4)
    assert (busy.exit, busy.macs, busy.macs_share) == (3, 100, 1.0)
    assert (busy.width, busy.height, busy.milliseconds, busy.budget) == (40, 20, 2.0, 0.75)
    assert plain.gates.tolist() == [[1.0] * 16 + [0.0]]
    assert busy.gates.tolist() == [[0.0] * 17] * 2
    assert plain.phrases == ((("a colour", 0.9), ("a thing", 0.1)),)
    assert len(busy.phrases) == 3
    assert asdict(catalog.photo(busy.id))["file"] == "busy.png"


def test_a_model_without_exits_has_no_gates(store: Store, upload: MakeUpload) -> None:
    catalog = Catalog(store, lambda: FakeEncoder(exits=1, costs=(100,)))
    gallery = catalog.open_collection("full")
    catalog.ingest(gallery, [upload("r.png", "red")])
    (photo,) = catalog.photos(gallery)
    assert (photo.exit, photo.exits, photo.macs_share, photo.gates.size) == (1, 1, 1.0, 0)


def test_the_report_counts_every_file_once(catalog: Catalog, gallery: int, upload: MakeUpload) -> None:
    report = catalog.ingest(
        gallery,
        [
            upload("plain.png", "red"),
            upload("again.png", "red"),
            upload("notes.jpg", b"dear diary"),
            upload("busy.png", encoded(left_red_right_blue(), "PNG")),
            upload("empty.jpg", b""),
        ],
    )
    assert (report.added, report.duplicates) == (2, 1)
    assert report.skipped == (Skipped("notes.jpg", "not a picture (it is text)"), Skipped("empty.jpg", "empty file"))
    assert report.mean_macs_share == pytest.approx(0.7)
    assert report.images_per_second == pytest.approx(2 / report.seconds)


def test_only_new_bytes_are_encoded(
    catalog: Catalog, gallery: int, upload: MakeUpload, fake_encoder: FakeEncoder
) -> None:
    catalog.ingest(gallery, [upload("r.png", "red")])
    report = catalog.ingest(gallery, [upload("copy of r.png", "red"), upload("b.png", "blue")])
    assert (report.added, report.duplicates) == (1, 1)
    assert fake_encoder.batches == [1, 1]
    assert files(catalog.photos(gallery)) == ["r.png", "b.png"]
    nothing = catalog.ingest(gallery, [upload("r.png", "red")])
    assert (nothing.added, nothing.images_per_second, nothing.mean_macs_share) == (0, 0, 0)


def test_the_same_bytes_may_be_in_two_galleries(catalog: Catalog, gallery: int, upload: MakeUpload) -> None:
    other = catalog.open_collection("other")
    for collection in (gallery, other):
        assert catalog.ingest(collection, [upload("r.png", "red")]).added == 1


def test_progress_is_told_after_every_batch(catalog: Catalog, gallery: int, upload: MakeUpload) -> None:
    told: list[Progress] = []
    catalog.ingest(gallery, shades(upload, 70), on_progress=told.append)
    assert [(progress.done, progress.total, len(progress.latest)) for progress in told] == [
        (32, 70, 32),
        (64, 70, 32),
        (70, 70, 6),
    ]
    assert files(list(told[0].latest)) == files(catalog.photos(gallery, 0, 32))


def test_each_progress_names_what_its_own_batch_left_out(catalog: Catalog, gallery: int, upload: MakeUpload) -> None:
    told: list[Progress] = []
    uploads = [upload("a.jpg", b"hello"), *shades(upload, 40), upload("b.jpg", b""), upload("c.jpg", b"")]
    report = catalog.ingest(gallery, uploads, on_progress=told.append)
    assert [[skipped.file for skipped in progress.skipped] for progress in told] == [["a.jpg"], ["b.jpg", "c.jpg"]]
    assert len(report.skipped) == 3


def test_a_stopped_ingest_keeps_its_finished_batches_and_goes_on_later(
    catalog: Catalog, gallery: int, upload: MakeUpload
) -> None:
    def stop(progress: Progress) -> None:
        if progress.done == 64:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        catalog.ingest(gallery, shades(upload, 100), on_progress=stop)
    assert catalog.summary(gallery).photos == 64
    assert len(catalog.search(gallery, "red", k=100)) == 64
    report = catalog.ingest(gallery, shades(upload, 100))
    assert (report.added, report.duplicates) == (36, 64)


def test_a_search_meanwhile_sees_finished_batches_only(catalog: Catalog, gallery: int, upload: MakeUpload) -> None:
    seen: list[int] = []

    def look(_: Progress) -> None:
        thread = threading.Thread(target=lambda: seen.append(len(catalog.search(gallery, "red", k=100))))
        thread.start()
        thread.join()

    catalog.ingest(gallery, shades(upload, 70), on_progress=look)
    assert seen == [32, 64, 70]


def test_two_ingests_at_once_keep_every_photo_once(catalog: Catalog, gallery: int, upload: MakeUpload) -> None:
    added: list[int] = []
    threads = [
        threading.Thread(target=lambda: added.append(catalog.ingest(gallery, shades(upload, 100)).added))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(added) == catalog.summary(gallery).photos == len(catalog.search(gallery, "red", k=200)) == 100


def test_another_process_sees_what_this_one_added(
    catalog: Catalog, gallery: int, upload: MakeUpload, fake_encoder: FakeEncoder
) -> None:
    assert catalog.search(gallery, "red") == []
    elsewhere = Store.open()
    Catalog(elsewhere, lambda: fake_encoder).ingest(gallery, [upload("r.png", "red")])
    elsewhere.close()
    assert [hit.photo.file for hit in catalog.search(gallery, "red")] == ["r.png"]


def test_the_budget_is_the_one_given_or_the_last_or_the_encoders(
    catalog: Catalog, gallery: int, upload: MakeUpload
) -> None:
    catalog.ingest(gallery, [upload("a.png", "red")])
    catalog.ingest(gallery, [upload("b.png", "blue")], budget=1.0)
    catalog.ingest(gallery, [upload("c.png", "green")])
    assert [(photo.budget, photo.exit) for photo in catalog.photos(gallery)] == [(0.75, 1), (1.0, 3), (1.0, 3)]
    assert catalog.summary(gallery).budget == 1.0


def test_a_summary_adds_up(catalog: Catalog, gallery: int, upload: MakeUpload) -> None:
    empty = catalog.summary(gallery)
    assert (empty.photos, empty.macs, empty.saved_share, empty.exits, empty.model) == (0, 0, 0.0, (), None)
    catalog.ingest(
        gallery,
        [upload("a.png", "red"), upload("b.png", "blue"), upload("c.png", encoded(left_red_right_blue(), "PNG"))],
    )
    summary = catalog.summary(gallery)
    assert (summary.photos, summary.macs, summary.full_macs) == (3, 180, 300)
    assert summary.saved_share == pytest.approx(0.4)
    assert (summary.exits, summary.model, summary.kind) == ((2, 0, 1), "fake", "gallery")


def test_the_latest_gallery_is_never_the_demo(catalog: Catalog, upload: MakeUpload) -> None:
    assert catalog.latest() is None
    first, second = catalog.open_collection("first"), catalog.open_collection("second")
    demo = catalog.open_collection("demo", kind="demo")
    assert catalog.latest() is None
    for collection in (second, first, demo):
        catalog.ingest(collection, [upload("r.png", "red")])
    assert catalog.latest() == first
    assert catalog.find("second") == second
    assert catalog.find("demo") is None
    assert [gallery.name for gallery in catalog.galleries()] == ["demo", "first", "second"]
    catalog.ingest(second, [upload("r.png", "red")])
    assert catalog.latest() == second


def test_another_model_is_refused_before_it_encodes_anything(
    store: Store, catalog: Catalog, gallery: int, upload: MakeUpload
) -> None:
    catalog.ingest(gallery, [upload("r.png", "red")])
    newer = FakeEncoder(identity=FakeIdentity(weights="c" * 64))
    later = Catalog(store, lambda: newer)
    with pytest.raises(ModelChanged, match='"holiday" was encoded with fake'):
        later.ingest(gallery, [upload("b.png", "blue")])
    with pytest.raises(ModelChanged, match="encode its photos again"):
        later.search(gallery, "red")
    assert newer.batches == []
    assert later.photos(gallery)[0].exit == 1


def test_a_removed_gallery_is_gone_and_its_name_is_free(catalog: Catalog, gallery: int, upload: MakeUpload) -> None:
    catalog.ingest(gallery, [upload("r.png", "red")])
    (photo,) = catalog.photos(gallery)
    assert catalog.picture_path(photo.content_hash).is_file()
    catalog.remove(gallery)
    assert not catalog.picture_path(photo.content_hash).exists()
    for gone in (catalog.search, catalog.ingest):
        with pytest.raises(GalleryMissing):
            gone(gallery, "red")  # type: ignore[operator]
    with pytest.raises(PhotoMissing):
        catalog.photo(photo.id)
    assert catalog.search(catalog.open_collection("holiday"), "red") == []


def test_the_encoder_is_loaded_once_and_only_when_needed(store: Store, upload: MakeUpload) -> None:
    loads: list[int] = []

    def load() -> FakeEncoder:
        loads.append(1)
        return FakeEncoder()

    catalog = Catalog(store, load)  # type: ignore[arg-type]
    gallery = catalog.open_collection("a")
    assert catalog.photos(gallery) == []
    assert catalog.galleries()[0].photos == 0
    assert loads == []
    catalog.ingest(gallery, [upload("r.png", "red")])
    catalog.search(gallery, "red")
    assert loads == [1]


def test_a_large_photo_is_kept_small(catalog: Catalog, gallery: int, upload: MakeUpload, png: Callable) -> None:
    catalog.ingest(gallery, [upload("large.png", png("red", (2000, 1000)))])
    (photo,) = catalog.photos(gallery)
    assert (photo.width, photo.height) == (2000, 1000)
    with Image.open(catalog.picture_path(photo.content_hash)) as kept:
        assert (kept.size, kept.format, kept.mode) == (
            (decode_module.KEPT_SIDE, decode_module.KEPT_SIDE // 2),
            "JPEG",
            "RGB",
        )


def test_ten_kinds_of_bad_upload_and_the_good_ones_beside_them(
    catalog: Catalog, gallery: int, upload: MakeUpload
) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    clear = Image.new("P", (8, 8), 0)
    clear.putpalette([255, 0, 0])
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("yellow", "blue")]
    report = catalog.ingest(
        gallery,
        [
            upload("good.png", "red"),
            upload("empty.jpg", b""),
            upload("text.jpg", b"a letter to my aunt"),
            upload("truncated.jpg", encoded(noise(), "JPEG")[:-2000]),
            upload("zero.png", png_declaring(0, 0)),
            upload("huge.png", png_declaring(50_000, 50_000)),
            upload("cmyk.jpg", encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95)),
            upload("deep.png", encoded(Image.fromarray(np.full((8, 8), 0x8080, np.uint16)), "PNG")),
            upload("moving.gif", encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])),
            upload("turned.jpg", encoded(left_red_right_blue(), "JPEG", exif=turned)),
            upload("clear.png", encoded(clear, "PNG", transparency=0)),
            upload("also good.png", "blue"),
        ],
    )
    assert {skipped.file: skipped.reason for skipped in report.skipped} == {
        "empty.jpg": "empty file",
        "text.jpg": "not a picture (it is text)",
        "truncated.jpg": "cut short",
        "zero.png": "no pixels: it is 0 x 0",
        "huge.png": "too large: 50000 x 50000 pixels (limit 64 megapixels)",
    }
    stored = {photo.file: photo for photo in catalog.photos(gallery)}
    assert list(stored) == [
        "good.png",
        "cmyk.jpg",
        "deep.png",
        "moving.gif",
        "turned.jpg",
        "clear.png",
        "also good.png",
    ]

    def kept(file: str, at: tuple[int, int] = (2, 2)) -> tuple[int, ...]:
        with Image.open(catalog.picture_path(stored[file].content_hash)) as picture:
            return tuple(round(value / 128) for value in picture.getpixel(at))  # type: ignore[union-attr]

    assert kept("cmyk.jpg") == (2, 0, 0)
    assert kept("deep.png") == (1, 1, 1)
    assert kept("moving.gif") == (2, 2, 0)
    assert kept("clear.png") == (2, 2, 2)
    assert (stored["turned.jpg"].width, stored["turned.jpg"].height) == (20, 40)
    assert (kept("turned.jpg", (10, 4)), kept("turned.jpg", (10, 35))) == ((2, 0, 0), (0, 0, 2))
    assert {hit.photo.file for hit in catalog.search(gallery, "red", k=2)} == {"good.png", "cmyk.jpg"}


def test_a_folder_of_photos_is_searched_by_path(tmp_path: Path, catalog: Catalog, gallery: int, png: Callable) -> None:
    (tmp_path / "photos" / "day 1").mkdir(parents=True)
    (tmp_path / "photos" / "day 1" / "sea.png").write_bytes(png("blue"))
    (tmp_path / "photos" / "rose.png").write_bytes(png("red"))
    catalog.ingest(gallery, decode_module.folder_uploads(tmp_path / "photos"))
    assert [hit.photo.file for hit in catalog.search(gallery, "blue")] == ["day 1/sea.png", "rose.png"]


class TestGalleries:
    @pytest.fixture
    def colours(self, catalog: Catalog, gallery: int, upload: MakeUpload) -> list[int]:
        catalog.ingest(gallery, [upload(f"{colour}.png", colour) for colour in ("red", "green", "blue")])
        return [photo.id for photo in catalog.photos(gallery)]

    def test_a_gallery_gets_another_name_that_is_free(self, catalog: Catalog, gallery: int) -> None:
        other = catalog.open_collection("Other")
        catalog.rename(other, "Renamed")
        assert catalog.find("Renamed") == other
        catalog.rename(other, "Renamed")
        with pytest.raises(NameTaken, match='a gallery "Renamed" already'):
            catalog.rename(gallery, "Renamed")

    def test_an_index_that_nobody_searches_is_let_go_of_and_made_again(
        self, catalog: Catalog, gallery: int, colours: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = catalog.open_collection("Other")
        catalog.search(gallery, "red")
        later = time.monotonic() + IDLE + 1
        monkeypatch.setattr(time, "monotonic", lambda: later)
        catalog.search(other, "red")
        assert list(catalog._rankings._indexes) == [other]
        assert catalog.search(gallery, "green", k=1)[0].photo.id == colours[1]

    def test_photos_are_deleted_with_their_pictures_and_not_found_any_more(
        self, catalog: Catalog, gallery: int, colours: list[int]
    ) -> None:
        catalog.search(gallery, "red")  # the index holds all three
        red = catalog.photo(colours[0])
        assert catalog.remove_photos(gallery, colours[:1]) == 1
        assert not catalog.picture_path(red.content_hash).exists()
        assert [hit.photo.file for hit in catalog.search(gallery, "red", k=3)] == ["green.png", "blue.png"]
        assert catalog.summary(gallery).photos == 2

    def test_photos_of_another_gallery_are_not_deleted_and_their_pictures_stay(
        self, catalog: Catalog, gallery: int, colours: list[int], upload: MakeUpload
    ) -> None:
        other = catalog.open_collection("Other")
        catalog.ingest(other, [upload("red.png", "red")])
        assert catalog.remove_photos(other, colours) == 0
        catalog.remove_photos(gallery, colours[:1])
        (kept,) = catalog.photos(other)
        assert catalog.picture_path(kept.content_hash).exists()

    def test_a_published_gallery_is_found_by_its_link_until_it_is_taken_back(
        self, catalog: Catalog, gallery: int
    ) -> None:
        link = catalog.publish(gallery, True)
        assert link == catalog.publish(gallery, True) == catalog.summary(gallery).link
        assert catalog.published(link) == gallery
        assert catalog.published("") is None
        assert catalog.publish(gallery, False) is None
        assert catalog.published(link) is None
        assert catalog.publish(gallery, True) != link

    def test_words_and_pictures_make_a_query(self, catalog: Catalog, gallery: int, colours: list[int]) -> None:
        assert catalog.embed_query(gallery, "  ") is None
        found = catalog.embed_query(gallery, f"photo:{colours[1]} + blue")
        assert np.allclose(found, np.array([0, 1, 1]) / np.sqrt(2))
        dropped = np.array([1, 0, 0], np.float32)
        assert catalog.embed_query(gallery, "photo:dropped", dropped).tolist() == [1, 0, 0]
        with pytest.raises(QueryRejected, match="drop it again"):
            catalog.embed_query(gallery, "photo:dropped")

    def test_the_words_of_a_query_are_encoded_once(
        self, catalog: Catalog, gallery: int, fake_encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        encoded: list[str] = []
        encode = fake_encoder.encode_text
        monkeypatch.setattr(fake_encoder, "encode_text", lambda texts: encoded.extend(texts) or encode(texts))
        first, again = (catalog.embed_query(gallery, "2:red + blue") for _ in range(2))
        assert np.array_equal(first, again)
        fake_encoder.identity = replace(fake_encoder.identity, weights="c" * 64)
        catalog.embed_query(gallery, "blue")
        assert encoded == ["red", "blue", "blue"]

    def test_a_picture_of_another_gallery_is_no_query(self, catalog: Catalog, colours: list[int]) -> None:
        other = catalog.open_collection("Other")
        with pytest.raises(PhotoMissing, match="in this gallery"):
            catalog.embed_query(other, f"photo:{colours[0]}")

    def test_a_dropped_picture_is_looked_at_in_full_and_not_kept(
        self, catalog: Catalog, gallery: int, png: Callable[..., bytes]
    ) -> None:
        assert catalog.embed_picture(gallery, png("green"), "g.png").round(1).tolist() == [0, 1, 0]
        with pytest.raises(ImageRejected):
            catalog.embed_picture(gallery, b"text", "t.png")
        summary = catalog.summary(gallery)
        assert summary.photos == 0
        assert summary.macs_pictures == catalog.encoder.full_macs, "the one that was looked at"
        with pytest.raises(GalleryMissing):
            catalog.embed_picture(999, png("green"), "g.png")

    def test_typical_photos_of_an_exit_are_those_nearest_to_their_mean(
        self, catalog: Catalog, gallery: int, upload: MakeUpload
    ) -> None:
        catalog.ingest(gallery, [upload("a.png", (9, 1, 0)), upload("b.png", (9, 3, 0)), upload("c.png", (9, 5, 0))])
        assert [photo.file for photo in catalog.at_exit(gallery, 1, limit=1)] == ["b.png"]
        assert catalog.at_exit(gallery, 3) == []
