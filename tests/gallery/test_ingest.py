"""Photos in, batch by batch, each once; and what was not taken in, with the reason."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from PIL import Image

from engine.gallery import Library, ModelChanged, Photo, Progress, Skipped, Upload
from engine.gallery.galleries import list_photos, open_gallery, summarize_gallery
from engine.gallery.ingest import ingest_files
from engine.gallery.search import search_photos
from engine.ingest.kept_picture import KEPT_SIDE
from engine.storage.database import Database
from tests.fake_encoder import IDENTITY, FakeEncoder
from tests.pictures import dated, encoded, left_red_right_blue, noise, png_declaring

pytestmark = pytest.mark.both_databases

MakeUpload = Callable[..., Upload]


def shades(upload: MakeUpload, count: int) -> list[Upload]:
    return [upload(f"{number}.png", (255, number, 0)) for number in range(count)]


def files(photos: list[Photo]) -> list[str]:
    return [photo.file for photo in photos]


def test_the_report_counts_every_file_once(library: Library, gallery: int, upload: MakeUpload) -> None:
    report = ingest_files(
        library,
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


def test_a_photo_keeps_the_date_that_it_was_taken(library: Library, gallery: int, upload: MakeUpload) -> None:
    exif = dated("2019:07:14 18:30:05", "+02:00")
    ingest_files(library, gallery, [upload("a.jpg", encoded(noise(), "JPEG", exif=exif)), upload("b.png", "red")])
    taken = [photo.taken_at for photo in list_photos(library, gallery)]
    assert taken == [datetime.fromisoformat("2019-07-14T18:30:05+02:00"), None]


def test_only_new_bytes_are_encoded(
    library: Library, gallery: int, upload: MakeUpload, fake_encoder: FakeEncoder
) -> None:
    ingest_files(library, gallery, [upload("r.png", "red")])
    report = ingest_files(library, gallery, [upload("copy of r.png", "red"), upload("b.png", "blue")])
    assert (report.added, report.duplicates) == (1, 1)
    assert fake_encoder.batches == [1, 1]
    assert files(list_photos(library, gallery)) == ["r.png", "b.png"]
    nothing = ingest_files(library, gallery, [upload("r.png", "red")])
    assert (nothing.added, nothing.images_per_second, nothing.mean_macs_share) == (0, 0, 0)


def test_the_same_bytes_may_be_in_two_galleries(library: Library, gallery: int, upload: MakeUpload) -> None:
    other = open_gallery(library, "other")
    for collection in (gallery, other):
        assert ingest_files(library, collection, [upload("r.png", "red")]).added == 1


def test_progress_is_told_after_every_batch(library: Library, gallery: int, upload: MakeUpload) -> None:
    told: list[Progress] = []
    ingest_files(library, gallery, shades(upload, 70), on_progress=told.append)
    assert [(progress.done, progress.total, len(progress.latest)) for progress in told] == [
        (32, 70, 32),
        (64, 70, 32),
        (70, 70, 6),
    ]
    assert files(list(told[0].latest)) == files(list_photos(library, gallery, 0, 32))


def test_each_progress_names_what_its_own_batch_left_out(library: Library, gallery: int, upload: MakeUpload) -> None:
    told: list[Progress] = []
    uploads = [upload("a.jpg", b"hello"), *shades(upload, 40), upload("b.jpg", b""), upload("c.jpg", b"")]
    report = ingest_files(library, gallery, uploads, on_progress=told.append)
    assert [[skipped.file for skipped in progress.skipped] for progress in told] == [["a.jpg"], ["b.jpg", "c.jpg"]]
    assert len(report.skipped) == 3


def test_a_stopped_ingest_keeps_its_finished_batches_and_goes_on_later(
    library: Library, gallery: int, upload: MakeUpload
) -> None:
    def stop(progress: Progress) -> None:
        if progress.done == 64:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest_files(library, gallery, shades(upload, 100), on_progress=stop)
    assert summarize_gallery(library, gallery).photos == 64
    assert len(search_photos(library, gallery, "red", k=100)) == 64
    report = ingest_files(library, gallery, shades(upload, 100))
    assert (report.added, report.duplicates) == (36, 64)


def test_a_search_meanwhile_sees_finished_batches_only(library: Library, gallery: int, upload: MakeUpload) -> None:
    seen: list[int] = []

    def look(_: Progress) -> None:
        thread = threading.Thread(target=lambda: seen.append(len(search_photos(library, gallery, "red", k=100))))
        thread.start()
        thread.join()

    ingest_files(library, gallery, shades(upload, 70), on_progress=look)
    assert seen == [32, 64, 70]


def test_two_ingests_at_once_keep_every_photo_once(library: Library, gallery: int, upload: MakeUpload) -> None:
    added: list[int] = []
    threads = [
        threading.Thread(target=lambda: added.append(ingest_files(library, gallery, shades(upload, 100)).added))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (
        sum(added)
        == summarize_gallery(library, gallery).photos
        == len(search_photos(library, gallery, "red", k=200))
        == 100
    )


def test_the_budget_is_the_one_given_or_the_last_or_the_encoders(
    library: Library, gallery: int, upload: MakeUpload
) -> None:
    ingest_files(library, gallery, [upload("a.png", "red")])
    ingest_files(library, gallery, [upload("b.png", "blue")], budget=1.0)
    ingest_files(library, gallery, [upload("c.png", "green")])
    assert [(photo.budget, photo.exit) for photo in list_photos(library, gallery)] == [(0.75, 1), (1.0, 3), (1.0, 3)]
    assert summarize_gallery(library, gallery).budget == 1.0


def test_another_model_is_refused_before_it_encodes_anything(
    database: Database, library: Library, gallery: int, upload: MakeUpload
) -> None:
    ingest_files(library, gallery, [upload("r.png", "red")])
    newer = FakeEncoder(identity=replace(IDENTITY, weights="c" * 64))
    later = Library.over(database, lambda: newer)
    with pytest.raises(ModelChanged, match='"holiday" was encoded with fake'):
        ingest_files(later, gallery, [upload("b.png", "blue")])
    with pytest.raises(ModelChanged, match="encode its photos again"):
        search_photos(later, gallery, "red")
    assert newer.batches == []
    assert list_photos(later, gallery)[0].exit == 1


def test_a_large_photo_is_kept_small(
    library: Library, gallery: int, upload: MakeUpload, png: Callable[..., bytes]
) -> None:
    ingest_files(library, gallery, [upload("large.png", png("red", (2000, 1000)))])
    (photo,) = list_photos(library, gallery)
    assert (photo.width, photo.height) == (2000, 1000)
    with Image.open(library.picture_path(photo.content_hash)) as kept:
        assert (kept.size, kept.format, kept.mode) == (
            (KEPT_SIDE, KEPT_SIDE // 2),
            "JPEG",
            "RGB",
        )


def test_ten_kinds_of_bad_upload_and_the_good_ones_beside_them(
    library: Library, gallery: int, upload: MakeUpload
) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    clear = Image.new("P", (8, 8), 0)
    clear.putpalette([255, 0, 0])
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("yellow", "blue")]
    report = ingest_files(
        library,
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
    stored = {photo.file: photo for photo in list_photos(library, gallery)}
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
        with Image.open(library.picture_path(stored[file].content_hash)) as picture:
            return tuple(round(value / 128) for value in picture.getpixel(at))  # type: ignore[union-attr]

    assert kept("cmyk.jpg") == (2, 0, 0)
    assert kept("deep.png") == (1, 1, 1)
    assert kept("moving.gif") == (2, 2, 0)
    assert kept("clear.png") == (2, 2, 2)
    assert (stored["turned.jpg"].width, stored["turned.jpg"].height) == (20, 40)
    assert (kept("turned.jpg", (10, 4)), kept("turned.jpg", (10, 35))) == ((2, 0, 0), (0, 0, 2))
    assert {hit.photo.file for hit in search_photos(library, gallery, "red", k=2)} == {"good.png", "cmyk.jpg"}
