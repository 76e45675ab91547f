"""Encoding on a real Ray cluster of this machine, with two workers of which one is killed on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import Tensor
from typer.testing import CliRunner

from engine import cli as command_line
from engine.exits.batch import Encoding
from engine.exits.encoder import Standing
from engine.gallery import Library, Photo, Query, folder_uploads
from engine.gallery.galleries import find_gallery, list_photos, open_gallery
from engine.gallery.ingest import ingest_files
from engine.gallery.search import search_photos
from engine.gallery.types import Progress
from engine.ingest.decode import Decoded, Duplicate, Skipped
from engine.ingest.ray_pipeline import (
    BATCH_COLUMN,
    Busy,
    Cluster,
    RayBatch,
    RayUnusable,
    Setup,
    Shares,
    Worker,
    decode_row,
    divide_processors,
    on_ray,
)
from engine.storage.database import Database
from engine.storage.images import list_images
from tests import zip_files
from tests.fake_encoder import FakeEncoder
from tests.pictures import MakeUpload, encoded

# What needs no cluster


@pytest.mark.parametrize(
    ("cores", "gpus", "workers", "shares"),
    [
        ([2], 0, None, Shares(1, 1, 0, 0.5)),
        ([2], 0, 2, Shares(2, 0.75, 0, 0.25)),
        ([4], 0, None, Shares(1, 3, 0, 1.0)),
        ([16, 16, 3], 0, None, Shares(8, 3, 0, 1.0)),
        ([16, 16], 0, 2, Shares(2, 12, 0, 1.0)),
        ([32], 4, None, Shares(4, 1, 1, 1.0)),
        ([32], 4, 2, Shares(2, 1, 1, 1.0)),
        ([32], 1, 8, Shares(1, 1, 1, 1.0)),
    ],
)
def test_processors_are_divide_processors_and_some_left_for_decoding(
    cores: list[float], gpus: int, workers: int | None, shares: Shares
) -> None:
    assert divide_processors(cores, gpus, workers) == shares


def test_utilisation_is_time_spent_encoding_over_time_there_was() -> None:
    busy = Busy(workers=2)
    assert busy.utilisation == 0
    busy.count(RayBatch((), (), 10.0, 20.0))
    busy.count(RayBatch((), (), 12.0, 17.0))
    assert busy.utilisation == pytest.approx(15 / 20)


def test_a_task_passes_over_what_is_stored_and_what_comes_twice(upload: MakeUpload, fake_encoder: FakeEncoder) -> None:
    stored = decode_row({BATCH_COLUMN: RayBatch([upload("a", "red")])}, np.empty(0, "S64"), fake_encoder.preprocess)
    (red,) = stored[BATCH_COLUMN].items
    known = np.sort(np.array([red.content_hash, "0" * 64, "f" * 64], "S64"))
    files = [upload("b", "red"), upload("c", "blue"), upload("d", "blue"), upload("e", b"")]
    again, blue, copy, bad = decode_row({BATCH_COLUMN: RayBatch(files)}, known, fake_encoder.preprocess)[
        BATCH_COLUMN
    ].items
    assert isinstance(again, Duplicate)
    assert isinstance(blue, Decoded)
    assert isinstance(copy, Duplicate)
    assert bad == Skipped("e", "empty file")


def test_a_worker_takes_the_gallerys_phrases(fake_encoder: FakeEncoder) -> None:
    looking = fake_encoder.looking_for(("a kite",))
    setup = Setup(lambda _: fake_encoder, "float32", looking.identity, looking.phrases, None)
    worker = Worker(setup)
    nothing_new = {BATCH_COLUMN: RayBatch([Duplicate("0" * 64, "a.jpg", None)])}
    assert worker(nothing_new) == nothing_new
    assert worker._encoder == looking
    differing = replace(setup, identity=replace(looking.identity, weights="other"))
    assert "has another model" in Worker(differing)(nothing_new)[BATCH_COLUMN].problem


def test_without_ray_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RayUnusable, match=r"pip install -r requirements-cluster\.txt"), on_ray("ray", slow):
        pass


@pytest.mark.parametrize("words", [["--on", "spark"], ["--on", "rays://head:1"]])
def test_options_that_make_no_sense_are_refused(words: list[str], tmp_path: Path) -> None:
    assert CliRunner().invoke(command_line.cli, ["index", str(tmp_path), *words]).exit_code == 2


# On a cluster


@dataclass
class SlowEncoder(FakeEncoder):
    """Takes its time, more for some batches than for others, so that there is somebody to kill."""

    def encode(
        self, pixels: np.ndarray | Tensor, budget: float = 0.75, standing: Standing | None = None
    ) -> list[Encoding]:
        time.sleep(0.2 + 0.4 * (int(pixels.sum()) % 2))
        return super().encode(pixels, budget, standing)


def slow(precision: str | None) -> SlowEncoder:
    """A worker's encoder."""
    return SlowEncoder()


def other(precision: str | None) -> SlowEncoder:
    """One that is not the driver's."""
    return SlowEncoder(identity=replace(SlowEncoder().identity, weights="other"))


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[Cluster]:
    with on_ray("ray", slow, workers=2) as found:
        yield found


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """700 small photos, a few of them twice, some in an archive, one damaged."""
    folder, draw = tmp_path / "photos", np.random.default_rng(0)
    folder.mkdir()
    for number in range(690):
        Image.fromarray(draw.integers(0, 256, (8, 8, 3), np.uint8)).save(folder / f"{number:03}.png")
    for number in range(0, 690, 100):
        (folder / f"{number:03} again.png").write_bytes((folder / f"{number:03}.png").read_bytes())
    packed = {f"{c}.png": encoded(Image.new("RGB", (8, 8), c), "PNG") for c in ("red", "blue", "yellow")}
    (folder / "some.zip").write_bytes(zip_files.zipped(packed))
    (folder / "bad.jpg").write_bytes(b"no picture")
    return folder


def encoders() -> list[int]:
    """Processes of this machine's clusters that encode, started by this one."""
    parents, names = {}, {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            stat, name = (entry / "stat").read_text(), (entry / "cmdline").read_bytes().decode("utf-8", "replace")
        except OSError:  # it has ended
            continue
        parents[int(entry.name)], names[int(entry.name)] = int(stat.rpartition(")")[2].split()[1]), name

    def is_ours(pid: int) -> bool:
        while pid > 1:
            pid = parents.get(pid, 0)
            if pid == os.getpid():
                return True
        return False

    return [pid for pid, name in names.items() if name.startswith("ray::MapWorker") and is_ours(pid)]


def as_stored(library: Library, gallery: int) -> dict[str, Photo]:
    """A gallery's photos by content hash; fails where one is there twice."""
    found = list_photos(library, gallery, limit=10_000)
    assert len({photo.content_hash for photo in found}) == len(found)
    return {photo.content_hash: photo for photo in found}


@pytest.mark.ray
def test_a_killed_worker_loses_and_doubles_nothing(ray_cluster: Cluster, photos: Path, database: Database) -> None:
    library = Library(database, SlowEncoder)
    alone, together = open_gallery(library, "alone"), open_gallery(library, "together")
    expected = ingest_files(Library(database, FakeEncoder), alone, folder_uploads(photos))
    killed: list[int] = []

    def kill(progress: Progress) -> None:
        if progress.done >= 96 and not killed:
            before = encoders()
            assert len(before) == 2
            os.kill(before[0], signal.SIGKILL)
            killed.append(before[0])

    report = ingest_files(library, together, folder_uploads(photos), on_progress=kill, encode=ray_cluster)
    assert killed
    assert killed[0] not in encoders()
    assert (report.added, report.duplicates) == (expected.added, expected.duplicates) == (693, 7)
    assert report.skipped == expected.skipped == (Skipped("bad.jpg", "not a picture (it is text)"),)
    assert report.mean_macs_share == pytest.approx(expected.mean_macs_share)
    one, two = as_stored(library, alone), as_stored(library, together)
    assert one.keys() == two.keys()
    assert all(one[key].exit == two[key].exit for key in one)
    query = Query(np.array([1, 0, 0], np.float32))
    assert [hit.score for hit in search_photos(library, together, query, 50)] == pytest.approx(
        [hit.score for hit in search_photos(library, alone, query, 50)]
    )
    assert 0 < ray_cluster.busy.utilisation < 1  # a restart counts against it


@pytest.mark.ray
@pytest.mark.long
def test_workers_stay_busy_and_known_photos_are_not_encoded_again(
    ray_cluster: Cluster, photos: Path, database: Database
) -> None:
    library = Library(database, SlowEncoder)
    gallery = open_gallery(library, "g")
    shown: list[Progress] = []
    ray_cluster.busy = Busy(ray_cluster.shares.workers)
    ingest_files(library, gallery, folder_uploads(photos), on_progress=shown.append, encode=ray_cluster)
    assert [progress.done for progress in shown] == sorted(progress.done for progress in shown)
    assert shown[-1].done == shown[-1].total == 701
    if os.getloadavg()[0] < 3 * (os.cpu_count() or 1):  # a machine at work on other things says nothing of it
        assert ray_cluster.busy.utilisation > 0.6
    spent = ray_cluster.busy.seconds
    again = ingest_files(library, gallery, folder_uploads(photos), encode=ray_cluster)
    assert (again.added, again.duplicates) == (0, 700)
    assert ray_cluster.busy.seconds == spent


@pytest.mark.ray
def test_no_more_workers_are_started_than_there_are_batches(
    ray_cluster: Cluster, upload: MakeUpload, database: Database
) -> None:
    library = Library(database, SlowEncoder)
    uploads = [upload("a", "red"), upload("b", "blue")]
    report = ingest_files(library, open_gallery(library, "few"), uploads, encode=ray_cluster)
    assert report.added == 2
    assert ray_cluster.busy.workers == 1


@pytest.mark.ray
def test_workers_with_another_model_stop_the_run_with_a_sentence(
    ray_cluster: Cluster, photos: Path, database: Database
) -> None:
    library = Library(database, SlowEncoder)
    gallery = open_gallery(library, "g")
    with pytest.raises(RayUnusable, match="has another model"):
        ingest_files(library, gallery, folder_uploads(photos), encode=Cluster(other, ray_cluster.shares))
    assert list_photos(library, gallery) == []


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    """Parts of the demo gallery's photos, 70 of them: more than two batches for two workers."""
    folder = tmp_path / "crops"
    folder.mkdir()
    gallery = sorted((Path(__file__).parents[2] / "assets" / "gallery").rglob("*.jpg"))
    for number in range(70):
        with Image.open(gallery[number % len(gallery)]) as photo:
            left = 40 * (number // len(gallery))
            photo.crop((left, left, left + 240, left + 240)).save(folder / f"{number:02}.jpg")
    return folder


@pytest.mark.ray
@pytest.mark.long
def test_the_command_on_ray_keeps_what_one_process_keeps(crops: Path, database: Database) -> None:
    from engine.exits.loading import load_encoder  # not above: the small encoder's workers import this file

    command = [sys.executable, "-m", "engine", "index", crops.as_uri(), "--on", "ray", "--workers", "2", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert set(report) == {
        *("added", "duplicates", "skipped", "seconds", "images_per_second", "mean_macs_share", "utilisation")
    }
    assert (report["added"], report["duplicates"], report["skipped"]) == (70, 0, [])
    assert 0 < report["utilisation"] <= 1
    assert "70/70" in done.stderr
    assert "Traceback" not in done.stderr

    library = Library(database, load_encoder)
    alone, together = open_gallery(library, "alone"), find_gallery(library, "crops")
    assert together is not None
    ingest_files(library, alone, folder_uploads(crops))
    one, two = ({row.content_hash: row for row in list_images(database, gallery, 100)} for gallery in (alone, together))
    assert one.keys() == two.keys()
    assert {row.name for row in two.values()} == {row.name for row in one.values()}
    same = [key for key in one if one[key].encoding.exit == two[key].encoding.exit]
    assert len(same) >= 0.97 * len(one)  # sums come in another order where batches are others
    vectors = ([np.frombuffer(rows[key].encoding.vector, np.float32) for key in same] for rows in (one, two))
    assert min(float(a @ b) for a, b in zip(*vectors, strict=True)) >= 0.9999
    found = [[hit.photo.file for hit in search_photos(library, gallery, "a bird", 5)] for gallery in (alone, together)]
    assert found[0] == found[1]
