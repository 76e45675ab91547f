"""Photos in, batch by batch, each once; and what was not taken in, with the reason."""

import threading
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from PIL import Image

from engine.gallery import EngineError, Library, ModelChanged, Photo, Progress, Skipped, Upload
from engine.gallery.galleries import list_photos, summarize_gallery
from engine.gallery.ingest import ingest_files
from engine.gallery.search import refine_search, search_photos
from engine.ingest.kept_picture import KEPT_SIDE
from engine.ingest.listing import folder_uploads
from engine.storage.database import Database
from tests.fake_encoder import IDENTITY, FakeEncoder
from tests.pictures import MakePng, MakeUpload, dated, encoded, left_red_right_blue, noise

pytestmark = pytest.mark.both_databases


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


@pytest.mark.parametrize("budget", [7, -1, float("nan")])
def test_a_budget_is_a_share(library: Library, gallery: int, upload: MakeUpload, budget: float) -> None:
    with pytest.raises(EngineError, match="a share from"):
        ingest_files(library, gallery, [upload("a.png", "red")], budget=budget)


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


def test_progress_is_told_after_every_batch(library: Library, gallery: int, upload: MakeUpload) -> None:
    told: list[Progress] = []
    ingest_files(library, gallery, shades(upload, 70), on_progress=told.append)
    assert [(progress.done, progress.total, len(progress.latest)) for progress in told] == [
        (32, 70, 32),
        (64, 70, 32),
        (70, 70, 6),
    ]
    assert files(list(told[0].latest)) == files(list_photos(library, gallery, 32))


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
    later = Library(database, lambda: newer)
    with pytest.raises(ModelChanged, match='"holiday" was encoded with fake'):
        ingest_files(later, gallery, [upload("b.png", "blue")])
    for search in (search_photos, refine_search):
        with pytest.raises(ModelChanged, match="encode its photos again"):
            search(later, gallery, "red")
    assert newer.batches == []
    assert newer.visits == []
    assert list_photos(later, gallery)[0].exit == 1


def test_a_photo_is_kept_small_and_upright(library: Library, gallery: int, upload: MakeUpload, png: MakePng) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    sideways = upload("turned.jpg", encoded(left_red_right_blue(), "JPEG", exif=turned))
    ingest_files(library, gallery, [upload("large.png", png("red", (2000, 1000))), sideways])
    photo, upright = list_photos(library, gallery)
    assert (upright.width, upright.height) == (20, 40)
    with Image.open(library.picture_path(upright.content_hash)) as kept:
        assert kept.size == (20, 40)
    assert (photo.width, photo.height) == (2000, 1000)
    with Image.open(library.picture_path(photo.content_hash)) as kept:
        assert (kept.size, kept.format, kept.mode) == (
            (KEPT_SIDE, KEPT_SIDE // 2),
            "JPEG",
            "RGB",
        )


def test_a_photo_is_called_as_its_file_is_once_that_has_been_moved(
    library: Library, gallery: int, png: MakePng, tmp_path: Path
) -> None:
    def named() -> list[str]:
        ingest_files(library, gallery, folder_uploads(tmp_path))
        return [photo.file for photo in list_photos(library, gallery)]

    (tmp_path / "a.png").write_bytes(png("red"))
    (tmp_path / "same.png").write_bytes(png("red"))
    assert named() == ["a.png"]
    assert named() == ["a.png"], "while it is where it was"
    (tmp_path / "new").mkdir()
    (tmp_path / "a.png").rename(tmp_path / "new" / "b.png")
    (tmp_path / "same.png").unlink()
    assert named() == ["new/b.png"]
