"""What can go wrong with a disk, a database or a weight file: one sentence each, no traceback, nothing lost."""

import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.cli import cli
from engine.gallery import Library, explain_photo, list_galleries, list_photos
from engine.gallery.search import search_photos
from engine.storage.collections import TotalsCache, list_collections
from engine.storage.database import Database, StoreUnusable
from engine.utils.errors import EngineError
from engine.utils.paths import ROOT
from tests.fake_encoder import FakeEncoder
from tests.pictures import Fill, MakePng
from tests.programs import INDEX, begun


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of one megabyte, where the system lets us mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if not made or made.returncode:
        pytest.skip("only root can mount a disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def index(home: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """The real command with a small encoder in the model's place."""
    process = begun(INDEX, home, folder)
    out, said = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, said)


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The last line of stderr, of a command that failed as designed."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.slow
def test_a_disk_that_gets_full_is_a_sentence_and_keeps_what_was_whole(disk: Path, tmp_path: Path, png: MakePng) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(640):
        (photos / f"{number:03}.png").write_bytes(png((number % 256, number // 256, 0), (300, 300)))
    said = sentence(index(disk, photos))
    assert "full" in said or "No space left" in said
    assert "make room on its disk" in said
    held = Database.open(disk)
    (gallery,) = list_collections(held, "gallery")
    kept = TotalsCache(held).of(gallery).photos
    held.close()
    assert 0 < kept < 640
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
    again = index(disk, photos)
    assert f"{640 - kept} added, {kept} already there, 0 skipped" in again.stdout, again.stderr


@pytest.mark.slow
def test_a_data_folder_that_is_read_only_is_a_sentence(disk: Path, tmp_path: Path, png: MakePng) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.png").write_bytes(png("red"))
    assert index(disk, photos).returncode == 0
    before = (disk / "tgem.db").read_bytes()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    (photos / "b.png").write_bytes(png("blue"))
    said = sentence(index(disk, photos))
    assert "set TGEM_HOME" in said
    assert (disk / "tgem.db").read_bytes() == before


@pytest.mark.slow
def test_a_disk_that_is_full_leaves_a_page_of_results_as_it_was(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.evaluation.report.plot_policies", lambda *drawn: b"PNG")
    results, page = tmp_path / "results.json", disk / "page.md"
    shutil.copyfile(ROOT / "docs" / "results" / "unseen.json", results)
    shutil.copyfile(ROOT / "README.md", page)
    (disk / "rest").write_bytes(bytes(shutil.disk_usage(disk).free))
    (disk / results.name).symlink_to(results)
    for place in (disk / results.name, results):
        done = CliRunner().invoke(cli, ["report", str(place), "--page", str(page)])
        assert done.exit_code == 2, done.output
        assert done.stderr.splitlines()[-1].endswith("cannot be written (No space left on device); name another place.")
        assert page.read_bytes() == (ROOT / "README.md").read_bytes()
        assert {path.name for path in disk.iterdir()} == {"page.md", "rest", results.name}


def search(text: str) -> None:
    """As a new process would."""
    database = Database.open()
    (row, *_) = list_collections(database)
    search_photos(Library(database, FakeEncoder), row.id, text)


@pytest.mark.parametrize("damage", ["cut short", "overwritten in the middle"])
def test_a_database_file_that_is_damaged_is_a_sentence_and_stays_as_it_is(
    home: Path, database: Database, fill: Fill, damage: str
) -> None:
    fill("a", {"a": "red", "b": "blue"})
    database.close()
    path = home / "tgem.db"
    whole = path.read_bytes()
    broken = whole[: len(whole) // 2] if damage == "cut short" else whole[:4096] + b"\xff" * (len(whole) - 4096)
    path.write_bytes(broken)
    with pytest.raises(StoreUnusable, match=r"tgem.db cannot be used .*engine restore BACKUP --replace"):
        search("red")
    assert path.stat().st_size >= len(broken) - 4096  # nothing was thrown away


def use(home: Path) -> None:
    """All that reads a store, as a new process would."""
    database = Database.open(home)
    try:
        library = Library(database, FakeEncoder)
        for gallery in list_galleries(library):
            search_photos(library, gallery.id, "red")
            for photo in list_photos(library, gallery.id, 100):
                explain_photo(library, photo.id, "red")
    finally:
        database.close()


def test_flipped_bytes_in_a_database_are_a_sentence_wherever_they_are(
    home: Path, database: Database, fill: Fill
) -> None:
    fill("a", {f"{number}.png": (number * 4, 255 - number * 4, number) for number in range(40)})
    database.close()
    path, draw = home / "tgem.db", random.Random(3)
    whole = path.read_bytes()
    refused = 0
    for _ in range(40):
        flipped = bytearray(whole)
        for _ in range(draw.choice((1, 3, 10, 40))):
            flipped[draw.randrange(100, len(flipped))] ^= 1 << draw.randrange(8)
        for log in home.glob("tgem.db-*"):
            log.unlink()
        path.write_bytes(flipped)
        with suppress(EngineError):
            refused += 1
            use(home)
            refused -= 1  # many a bit in a vector or a free page changes nothing that can be seen
    assert refused > 10
    path.write_bytes(whole)
    use(home)
