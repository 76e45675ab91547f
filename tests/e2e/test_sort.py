"""`sort` on the command line: albums by words, as a table, as JSON, as folders."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from engine import cli as command_line
from engine.albums.album import AlbumSet
from engine.cli import library
from engine.exits.budget import DEFAULT_BUDGET
from engine.gallery import Library, SortedGallery, albums
from engine.gallery.albums import sort_gallery
from engine.ingest import listing
from tests.fake_encoder import FakeEncoder

ROOT = Path(__file__).parents[2]
Run = Callable[..., Result]
COLOURS = ("red", "lime", "blue")


@pytest.fixture
def run(fake_encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(library, "chosen_encoder", lambda model, random_weights: fake_encoder)
    return lambda *words: CliRunner().invoke(command_line.cli, ["sort", *(str(word) for word in words)])


@pytest.fixture
def photos(tmp_path: Path, png: Callable[..., bytes]) -> Path:
    folder = tmp_path / "photos"
    (folder / "summer").mkdir(parents=True)
    for colour in COLOURS:
        (folder / f"{colour}.png").write_bytes(png(colour))
    (folder / "summer" / "red again.png").write_bytes(png("red"))
    (folder / "empty.jpg").write_bytes(b"")
    return folder


INTO = ("--into", "reds: red", "--into", "green")


def test_json_is_what_programs_expect(run: Run, photos: Path) -> None:
    result = run(photos, *INTO, "--json")
    table = json.loads(result.stdout)
    assert set(table) == {"albums", "none", "photos", "mean_macs_share"}
    assert table["albums"] == [{"name": "reds", "photos": 2}, {"name": "green", "photos": 1}]
    assert table["none"] == 1
    assert {photo["file"]: photo["album"] for photo in table["photos"]} == {
        "blue.png": None,
        "lime.png": "green",
        "red.png": "reds",
        "summer/red again.png": "reds",
    }
    assert all(set(p) == {"photo", "file", "album", "probability", "exit", "macs_share"} for p in table["photos"])
    assert "skipping empty.jpg: empty file" in result.stderr


def test_what_lies_in_the_folders_of_an_earlier_sort_is_told_of(run: Run, photos: Path, tmp_path: Path) -> None:
    run(photos, *INTO, "--copy", tmp_path / "out")
    assert "others" not in run(photos, *INTO, "--copy", tmp_path / "out").stderr
    result = run(photos, "--into", "scarlet: red", "--copy", tmp_path / "out")
    assert "Beside them lie 3 others" in result.stderr
    assert (tmp_path / "out" / "reds" / "red.png").is_file(), "nothing is taken away"


def test_a_table_for_people_and_folders(run: Run, photos: Path, tmp_path: Path) -> None:
    result = run(photos, *INTO, "--into", "yellow", "--copy", tmp_path / "out")
    assert 'No photo fits the album "yellow".' in result.stderr
    assert "Sorted with 40% of the full compute" in result.stdout
    assert re.search(r"4/4 .* files/s", result.stderr), "copies of large photos take a while"
    assert sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.png")) == [
        "green/lime.png",
        "none of these/blue.png",
        "reds/red again.png",
        "reds/red.png",
    ]
    assert "0 files written, 4 were there already" in run(photos, *INTO, "--copy", tmp_path / "out").stderr


def test_two_folders_of_the_same_names_are_sorted_by_what_is_in_their_files(
    run: Run, tmp_path: Path, png: Callable[..., bytes]
) -> None:
    for folder, colours in {"one": ("red", "lime"), "other": ("lime", "red")}.items():
        (tmp_path / folder).mkdir()
        for number, colour in enumerate(colours):
            (tmp_path / folder / f"{number}.png").write_bytes(png(colour, (40, 40 + len(folder))))
    words = (*INTO, "--gallery", "both", "--json")
    run(tmp_path / "one", *words)
    run(tmp_path / "other", *words)
    table = json.loads(run(tmp_path / "one", *words, "--copy", tmp_path / "out").stdout)
    assert {photo["file"]: photo["album"] for photo in table["photos"]} == {"0.png": "reds", "1.png": "green"}
    assert (tmp_path / "out" / "reds" / "0.png").read_bytes() == (tmp_path / "one" / "0.png").read_bytes()


def test_members_of_one_name_go_to_their_own_albums(run: Run, tmp_path: Path, png: Callable[..., bytes]) -> None:
    (tmp_path / "photos").mkdir()
    with zipfile.ZipFile(tmp_path / "photos" / "a.zip", "w") as archive:
        archive.writestr("x?.png", png("red"))
        archive.writestr("x?.png ", png("blue"))
        archive.writestr("./x?.png", png("lime"))
    run(tmp_path / "photos", *INTO, "--copy", tmp_path / "out")
    written = {path.parent.name: path.read_bytes() for path in (tmp_path / "out").rglob("*.png")}
    assert written == {"reds": png("red"), "green": png("lime")}


def test_a_file_that_can_no_longer_be_read_is_named_where_it_is_to_be_copied(
    run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sort_gallery = albums.sort_gallery

    def unplug(*words: Any) -> SortedGallery:
        found = sort_gallery(*words)
        (photos / "red.png").unlink()
        return found

    monkeypatch.setattr(albums, "sort_gallery", unplug)
    result = run(photos, *INTO, "--json", "--copy", tmp_path / "out")
    assert result.exit_code == 0
    assert "leaving out red.png: No such file or directory" in result.stderr
    assert "3 files written" in result.stderr
    assert len(json.loads(result.stdout)["photos"]) == 4, "it was sorted"


def test_a_file_is_read_once(run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def note(path: Path) -> bytes:
        read.append(path.name)
        return path.read_bytes()

    monkeypatch.setattr(listing, "read_file", note)
    for _ in range(2):
        assert "reds                2" in run(photos, *INTO).stdout
        assert sorted(read) == ["blue.png", "empty.jpg", "lime.png", "red again.png", "red.png"]
        read.clear()


def test_albums_of_a_file(run: Run, photos: Path, tmp_path: Path) -> None:
    file = tmp_path / "albums.yaml"
    file.write_text("reds: red\ngreens: {phrases: [green], not: blue}\n", "utf-8")
    table = json.loads(run(photos, "--albums", file, "--json").stdout)
    assert [album["name"] for album in table["albums"]] == ["reds", "greens"]


@pytest.mark.parametrize(
    ("indexed_at", "given", "aim"), [(1.0, None, 1.0), (0.3, None, 0.3), (0.3, 0.7, 0.7), (None, None, DEFAULT_BUDGET)]
)
def test_the_budget_is_the_one_given_or_the_gallerys_or_the_default(
    run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch, indexed_at: float | None, given: float | None, aim: float
) -> None:
    aims: list[float] = []

    def note(library: Library, gallery: int, of: AlbumSet, budget: float, *more: Any) -> SortedGallery:
        aims.append(budget)
        return sort_gallery(library, gallery, of, budget, *more)

    monkeypatch.setattr(albums, "sort_gallery", note)
    if indexed_at is not None:
        CliRunner().invoke(command_line.cli, ["index", str(photos), "--budget", str(indexed_at)])
    for _ in range(2):
        assert run(photos, *INTO, *(() if given is None else ("--budget", given))).exit_code == 0
    assert aims == [aim, aim]


def test_mistakes_are_sentences(run: Run, photos: Path, tmp_path: Path) -> None:
    many = [word for number in range(500) for word in ("--into", f"phrase {number}")]
    for words, sentence in [
        ((photos,), "Say into which albums"),
        ((photos, "--into", "a", "--into", "A"), "Two albums are named"),
        ((photos, "--into", " "), "needs a name"),
        ((photos, *many), "A gallery has 100 albums at most"),
        ((photos, *INTO, "--copy", photos / "out"), "inside the photos"),
        ((photos, *INTO, "--copy", tmp_path / "o", "--links", tmp_path / "o"), "do not go together"),
        ((tmp_path / "nowhere", *INTO), "is not a folder"),
    ]:
        result = run(*words)
        assert result.exit_code == 2
        assert sentence in result.stderr
    assert not (photos / "out").exists()


@pytest.mark.slow
@pytest.mark.long
def test_killed_at_any_point_and_run_again_it_ends_with_the_same_folders(tmp_path: Path, home: Path) -> None:
    gallery = ROOT / "assets" / "gallery"
    command = [sys.executable, "-m", "engine", "sort", str(gallery), "--into", "animal", "--into", "food", "--copy"]

    def listed(target: Path) -> dict[str, bytes]:
        return {str(p.relative_to(target)): p.read_bytes() for p in target.rglob("*") if p.is_file()}

    here = {**os.environ, "TGEM_HOME": str(home / "whole")}
    subprocess.run([*command, str(tmp_path / "whole")], cwd=ROOT, env=here, check=True, capture_output=True)
    here["TGEM_HOME"] = str(home / "killed")
    for seconds in (6.0, 9.0, 12.0, 15.0):
        process = subprocess.Popen([*command, str(tmp_path / "killed")], cwd=ROOT, env=here, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run([*command, str(tmp_path / "killed")], cwd=ROOT, env=here, check=True, capture_output=True)
    assert listed(tmp_path / "killed") == listed(tmp_path / "whole")
