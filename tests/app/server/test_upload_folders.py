"""How long files lie where they arrive."""

import errno
import os
import time
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.run import housekeeping
from app.server.upload_folders import Arrivals
from app.services import Services
from app.uploading.sent_files import in_hand
from engine.gallery import Library, ingest_files, open_gallery, uploads_of
from tests.pictures import MakePng

MINUTE = 60.0


@pytest.mark.parametrize(
    ("name", "minutes", "stays"),
    [("0123456789abcdef" * 2, 175, True), ("0123456789abcdef" * 2, 181, False), ("0123456789abcdef" * 4, 12, False)],
)
def test_files_that_nobody_takes_in_go_within_three_hours_and_gradios_copies_sooner(
    tmp_path: Path, name: str, minutes: int, stays: bool
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "photo.jpg").write_bytes(b"EXIF")
    then = time.time() - minutes * MINUTE
    os.utime(folder, (then, then))
    Arrivals(tmp_path).sweep()
    assert folder.exists() is stays


def test_what_is_being_read_stays_however_long_that_takes(tmp_path: Path, library: Library, png: MakePng) -> None:
    photo = tmp_path / ("0123456789abcdef" * 2) / "0" / "a.png"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(png("red"))
    os.utime(photo.parent.parent, (0, 0))
    gallery = open_gallery(library, "Holidays")
    with in_hand([photo]):
        Arrivals(tmp_path).sweep()
        assert ingest_files(library, gallery, uploads_of(photo, "a.png")).added == 1
    assert not photo.exists()


def test_what_has_come_goes_when_the_program_ends_and_anothers_stays(tmp_path: Path) -> None:
    ours, others = Arrivals(tmp_path), Arrivals(tmp_path)
    for arrivals in (ours, others):
        with TestClient(Starlette(routes=[arrivals.route()])) as browser:
            browser.post("/gradio_api/upload", files={"files": ("a.jpg", b"EXIF")}).raise_for_status()
    ours.clear()
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1
    others.clear()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["..", ".", "/", "a/.."])
def test_a_file_whose_name_is_none_is_kept_under_another(tmp_path: Path, name: str) -> None:
    with TestClient(Starlette(routes=[Arrivals(tmp_path).route()])) as browser:
        (place,) = browser.post("/gradio_api/upload", files={"files": (name, b"EXIF")}).json()
    assert (Path(place).name, Path(place).read_bytes()) == ("file", b"EXIF")


def test_a_disk_that_takes_no_more_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr("app.server.upload_folders.os.rename", refuse)
    with TestClient(Starlette(routes=[Arrivals(tmp_path).route()])) as browser:
        answer = browser.post("/gradio_api/upload", files={"files": ("a.jpg", b"EXIF")})
    assert (answer.status_code, "cannot keep files (Disk quota exceeded)" in answer.text) == (507, True)
    assert not list(tmp_path.iterdir())


def test_what_has_waited_is_looked_for_every_minute(
    tmp_path: Path, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Over(Exception):
        pass

    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        (tmp_path / "left").mkdir()
        os.utime(tmp_path / "left", (0, 0))
        if len(slept) == 2:
            raise Over

    monkeypatch.setattr("app.run.time.sleep", sleep)
    with pytest.raises(Over):
        housekeeping(services, Arrivals(tmp_path))
    assert slept == [MINUTE, MINUTE]
