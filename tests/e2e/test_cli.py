"""The command line, as a person and as a program see it."""

import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from engine import cli as command_line
from engine.cli import library as cli_library
from engine.gallery import Library, open_gallery
from engine.search import spelling
from engine.storage.database import Database
from engine.utils.errors import EngineError
from tests.fake_encoder import FakeEncoder
from tests.pictures import Fill, MakePng
from tests.programs import begun

Run = Callable[..., Result]

RESULTS = Path(__file__).parents[2] / "docs" / "results"
FULL = Path("/dev/full")


@pytest.fixture
def run(fake_encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(cli_library, "chosen_encoder", lambda model, random_weights: fake_encoder)
    return lambda *words: CliRunner().invoke(command_line.cli, [str(word) for word in words])


def sentence(result: Result) -> str:
    """What a command that refuses says: one line on stderr, and nothing for programs."""
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1), result.output
    return result.stderr


@pytest.fixture
def photos(tmp_path: Path, png: MakePng) -> Path:
    """Two photos, one of them in a folder below, and one file that is none."""
    folder = tmp_path / "photos"
    (folder / "summer").mkdir(parents=True)
    (folder / "red.png").write_bytes(png("red"))
    (folder / "summer" / "blue.png").write_bytes(png("blue"))
    (folder / "empty.jpg").write_bytes(b"")
    return folder


@pytest.mark.parametrize("command", ["index", "search", "reencode", "evaluate", "train-mini", "train-rivals", "fit"])
def test_every_command_has_a_help_text(run: Run, command: str) -> None:
    assert command in run("--help").stdout
    assert "Usage" in run(command, "--help").stdout


def test_help_and_mistakes_need_no_place_for_files(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = Mock(side_effect=EngineError("The data folder cannot be used."))
    monkeypatch.setattr(command_line, "lend_temporary_folder", nowhere)
    assert "Usage" in run("search", "--help").stdout
    assert "Missing argument" in run("search").stderr
    assert sentence(run("search", "dog")) == "The data folder cannot be used.\n"


def test_index_says_what_it_did_and_what_it_skipped(run: Run, photos: Path) -> None:
    result = run("index", photos)
    assert result.exit_code == 0
    assert "2 added, 0 already there, 1 skipped" in result.stdout
    assert "for 40% of a full encoding each" in result.stdout
    assert '"photos" has 2 photos' in result.stdout
    assert "skipping empty.jpg: empty file\n" in result.stderr
    assert "3/3" in result.stderr


def test_a_budget_does_nothing_to_photos_that_are_there_and_that_is_said(run: Run, photos: Path) -> None:
    run("index", photos)
    assert "stay as deep as they are" in run("index", photos, "--budget", 1).stderr
    assert "stay as deep" not in run("index", photos).stderr


def test_index_json_is_all_there_is_on_stdout(run: Run, photos: Path) -> None:
    report = json.loads(run("index", photos, "--json").stdout)
    assert set(report) == {"added", "duplicates", "skipped", "seconds", "images_per_second", "mean_macs_share"}
    assert (report["added"], report["duplicates"], report["mean_macs_share"]) == (2, 0, 0.4)
    assert report["skipped"] == [{"file": "empty.jpg", "reason": "empty file"}]
    assert report["seconds"] > 0
    assert report["images_per_second"] > 0


def test_search_json_ranks_photos_by_the_text(run: Run, photos: Path) -> None:
    run("index", photos)
    hits = json.loads(run("search", "blue", "--json").stdout)
    assert [hit["rank"] for hit in hits] == [1, 2]
    assert hits[0] == {
        "rank": 1,
        "file": "summer/blue.png",
        "score": pytest.approx(1.036),  # its cosine is 1; the rest is for what is not known at exit 1
        "exit": 1,
        "exits": 3,
        "macs_share": 0.4,
        "taken_at": None,
    }


def test_search_lists_at_most_k_lines_for_a_person(run: Run, photos: Path) -> None:
    run("index", photos)
    lines = run("search", "red", "-k", 1).stdout.splitlines()
    assert len(lines) == 1
    assert lines[0].split() == ["1", "1.036", "exit", "1", "of", "3", "60%", "saved", "red.png"]


@pytest.mark.parametrize("how", [(), ("--no-refine",)])
def test_search_adds_and_subtracts_words_as_the_page_does(run: Run, photos: Path, how: tuple[str, ...]) -> None:
    run("index", photos)
    assert run("search", "yellow - 1:red", "-k", 1, *how).stdout.split()[-1] == "summer/blue.png"
    for text, said in [("11:red", "A weight is a number above 0"), ("red - 1:red", "cancel each other out")]:
        assert said in sentence(run("search", text, *how))


def test_galleries_are_listed_renamed_and_deleted(run: Run, photos: Path, fake_encoder: FakeEncoder) -> None:
    assert "no gallery yet" in run("galleries").stderr
    run("index", photos)
    run("index", photos / "summer", "--gallery", "Summer")
    assert run("galleries").stdout.splitlines() == ["      1   60% saved  Summer", "      2   60% saved  photos"]
    renamed = json.loads(run("galleries", "--rename", "photos", "All of it", "--json").stdout)
    assert [(gallery["name"], gallery["photos"]) for gallery in renamed] == [("Summer", 1), ("All of it", 2)]
    assert run("galleries", "--rename", "Summer", "All of it").exit_code == 2, "a name that is taken"
    assert "Summer" not in run("galleries", "--delete", "Summer").stdout
    assert 'no gallery "Summer"; there are: "All of it".' in sentence(run("galleries", "--delete", "Summer"))
    assert (photos / "red.png").exists(), "a folder of one's own is never touched"
    database = Database.open()
    open_gallery(Library(database, lambda: fake_encoder), "Empty")
    database.close()
    assert "      0  Empty" in run("galleries").stdout.splitlines()


def test_a_gallery_of_an_earlier_model_is_refused_with_the_command_that_mends_it(
    run: Run, photos: Path, fake_encoder: FakeEncoder
) -> None:
    run("index", photos, "--gallery", "All of it")
    fake_encoder.identity = replace(fake_encoder.identity, weights="c" * 64)
    refused = run("search", "red")
    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert "encode its photos again: `python -m engine reencode 'All of it'`.\n" in refused.stderr
    refused = run("search", "red", "--model", "ViT-B-32")
    assert "`python -m engine reencode 'All of it'`, with the same --model.\n" in refused.stderr


def test_photos_that_wait_are_listed_until_they_are_encoded(
    run: Run, photos: Path, fake_encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("index", photos)
    fake_encoder.identity = replace(fake_encoder.identity, weights="c" * 64)
    with monkeypatch.context() as patched:
        patched.setattr(FakeEncoder, "encode", Mock(side_effect=KeyboardInterrupt))
        assert "run it again" in run("reencode", "photos").stderr
    assert run("galleries").stdout.splitlines() == ["      0  2 wait to be encoded  photos"]
    assert json.loads(run("galleries", "--json").stdout)[0]["waiting"] == 2
    run("reencode", "photos")
    assert run("galleries").stdout.splitlines() == ["      2   60% saved  photos"]


@pytest.fixture
def hazy(fake_encoder: FakeEncoder, photos: Path, png: MakePng) -> FakeEncoder:
    """An encoder that sees too little before full depth, and more photos of which several may be the reddest."""
    fake_encoder.haze = 1.0
    for shade in (30, 60, 90):
        (photos / f"red {shade}.png").write_bytes(png((255, shade, shade)))
    return fake_encoder


def test_search_asks_whether_a_misspelt_word_was_meant_otherwise(
    run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spelling, "FEWEST", 1)
    run("index", photos)
    assert "Did you mean: red + a thing\n" in run("search", "red + a thingg").stderr
    assert "mean" not in run("search", "red + a thing").stderr


def test_search_says_where_no_photo_fits(run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("index", photos)
    monkeypatch.setattr(FakeEncoder, "usual_affinity", 1.9)
    for text, fits in (("red", True), ("yellow", False)):
        result = run("search", text)
        assert len(result.stdout.splitlines()) == 2
        assert ("No photo fits these words well" in result.stderr) is not fits


def test_search_runs_photos_deeper_and_says_what_that_cost(run: Run, photos: Path, hazy: FakeEncoder) -> None:
    run("index", photos)
    first = run("search", "red", "--json")
    hits = json.loads(first.stdout)
    assert [set(hit) for hit in hits] == [{"rank", "file", "score", "exit", "exits", "macs_share", "taken_at"}] * 5
    assert (hits[0]["file"], hits[0]["exit"]) == ("red.png", 3)
    spent = sum(hit["macs_share"] - 0.4 for hit in hits)
    told = re.search(r"for ([0-9.]+) full encodings of compute", first.stderr)
    assert told is not None
    assert float(told[1]) == pytest.approx(spent, abs=0.051)
    assert "got a second look" in first.stderr
    share = sum(hit["macs_share"] for hit in hits) / len(hits)
    assert f"In all {share:.0%} of the full compute has run." in run("reencode", "photos").stdout
    again = run("search", "red", "--json")
    assert (json.loads(again.stdout), again.stderr) == (hits, "")


def test_search_without_refining_leaves_photos_where_they_are(run: Run, photos: Path, hazy: FakeEncoder) -> None:
    run("index", photos)
    result = run("search", "red", "--no-refine", "--json")
    assert {hit["exit"] for hit in json.loads(result.stdout)} == {1}
    assert result.stderr == ""


def test_an_owners_phrases_are_remembered(run: Run, photos: Path, tmp_path: Path, png: MakePng) -> None:
    phrases = tmp_path / "phrases.txt"
    phrases.write_text("# ours\na red rose\nthe blue sea\n", encoding="utf-8")
    assert run("index", photos, "--phrases", phrases).exit_code == 0
    (photos / "later.png").write_bytes(png("green"))
    assert json.loads(run("index", photos, "--json").stdout)["added"] == 1
    other = tmp_path / "other.txt"
    other.write_text("a boat\n", encoding="utf-8")
    assert "encoded with other phrases" in sentence(run("index", photos, "--phrases", other))
    report = json.loads(run("reencode", "photos", "--phrases", other, "--json").stdout)
    assert (report["added"], report["duplicates"]) == (3, 0)
    assert run("index", photos, "--phrases", other).exit_code == 0


def test_a_gallery_is_encoded_again_for_another_budget(run: Run, photos: Path) -> None:
    run("index", photos)
    result = run("reencode", "photos", "--budget", 1)
    assert "2 encoded, 0 needed nothing, 0 skipped" in result.stdout
    assert "for 60% of a full encoding each. In all 100% of the full compute has run." in result.stdout
    assert {hit["exit"] for hit in json.loads(run("search", "red", "--json").stdout)} == {3}
    assert "0 encoded, 2 needed nothing" in run("reencode", "photos", "--budget", 1).stdout
    assert run("reencode", "photos", "--budget", 0.1).exit_code == 2
    assert "take 0.3 or 0.35 in place of 0.33" in run("reencode", "photos", "--budget", 0.33).stderr


def test_a_store_is_backed_up_and_restored(run: Run, photos: Path, tmp_path: Path) -> None:
    run("index", photos)
    place = tmp_path / "backup"
    assert "2 photos and the database" in run("backup", place).stdout
    told = json.loads(run("backup", place, "--json").stdout)
    assert (told["photos"], told["new_files"], told["lost_pictures"]) == (2, 1, 0)
    assert "put it aside with --replace" in sentence(run("restore", place))
    assert "red.png is a file; name the folder of a backup" in run("restore", photos / "red.png").stderr
    shutil.rmtree(tmp_path / "home")
    assert "is restored: 3 files" in run("restore", place).stdout
    assert len(json.loads(run("search", "red", "--json").stdout)) == 2


def test_a_name_that_the_terminal_cannot_write_is_escaped(run: Run, photos: Path) -> None:
    (photos / "red.png").rename(photos / "夕日\t.png")
    run("index", photos)
    result = CliRunner(charset="latin-1").invoke(command_line.cli, ["search", "red"])
    assert result.exit_code == 0
    assert r"\u5915\u65e5\ufffd.png" in result.stdout


@pytest.mark.parametrize(("command", "kept"), [("reencode", True), ("search", False), ("restore", False)])
def test_a_command_that_is_stopped_says_whether_it_goes_on(
    run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch, command: str, kept: bool
) -> None:
    run("index", photos)
    for work in ("gallery.reencode.reencode_gallery", "gallery.search.embed_query", "storage.restore.restore"):
        monkeypatch.setattr(f"engine.{work}", Mock(side_effect=KeyboardInterrupt))
    result = run(command, "photos")
    assert result.exit_code == 130
    assert set(command_line.GO_ON) <= get_command(command_line.cli).commands.keys()  # type: ignore[attr-defined]
    assert result.stderr.endswith("Stopped." + kept * " What was finished is kept: run it again to go on." + "\n")


# Ctrl-C while something is imported, and again as it goes.
INTERRUPTED = """
import os, runpy, signal, sys
at = sys.argv.pop()
signal.signal(signal.SIGINT, signal.default_int_handler)  # where the tests run in the background they are deaf to it
class Keyboard:
    def find_spec(self, name, path, target=None):
        if name == at:
            try:
                os.kill(os.getpid(), signal.SIGINT)
            finally:
                os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Keyboard())
runpy.run_module("engine", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("imported", ["typer", "engine.gallery.galleries"])
def test_who_presses_twice_or_at_once_sees_no_traceback(tmp_path: Path, imported: str) -> None:
    program = begun(INTERRUPTED, tmp_path, "galleries", imported)
    assert program.communicate(timeout=60) == ("", "")
    assert program.returncode == -signal.SIGINT


@pytest.mark.skipif(not FULL.exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize("words", [("--help",), ("galleries", "--help"), ("galleries", "--json")])
def test_what_is_printed_to_a_full_disk_is_one_sentence(tmp_path: Path, words: tuple[str, ...]) -> None:
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "engine", *words],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "TGEM_HOME": str(tmp_path), "PYTHONUNBUFFERED": ""},  # as it is for most
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (2, "The disk is full: make room, and run it again.\n")


def test_search_uses_the_gallery_indexed_last_or_the_one_named(run: Run, photos: Path) -> None:
    run("index", photos / "summer", "--gallery", "first")
    run("index", photos, "--gallery", "second")
    assert len(json.loads(run("search", "blue", "--json").stdout)) == 2
    assert len(json.loads(run("search", "blue", "--gallery", "first", "--json").stdout)) == 1


def test_a_slip_with_index_or_sort_makes_no_gallery(
    run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("index", photos)
    (tmp_path / "bare").mkdir()
    for words in (("index",), ("sort", "--into", "red")):
        said = sentence(run(*words, tmp_path / "bare", "--json"))
        assert said.startswith(f"There is no picture in {tmp_path / 'bare'}, nor in any folder below it")
    with monkeypatch.context() as patched:
        patched.setattr(cli_library, "chosen_encoder", Mock(side_effect=EngineError("There is no such model.")))
        for words in (("index",), ("sort", "--into", "red")):
            said = sentence(run(*words, photos, "--gallery", "other", "--model", "nonsense"))
            assert said == "There is no such model.\n"
    assert sentence(run("search", "red", "--gallery", "?")) == 'There is no gallery "?"; there are: "photos".\n'


@pytest.mark.parametrize("words", [("index",), ("sort", "--into", "red")])
def test_photos_that_cannot_be_read_make_no_gallery(run: Run, photos: Path, words: tuple[str, ...]) -> None:
    run("index", photos)
    (photos.parent / "broken").mkdir()
    (photos / "empty.jpg").rename(photos.parent / "broken" / "empty.jpg")
    (photos.parent / "broken" / "gone.jpg").symlink_to(photos / "nowhere.jpg")
    result = run(*words, photos.parent / "broken")
    assert result.exit_code == 1
    assert re.search("None of these (2 )?photos could be read", result.stdout + result.stderr)
    for said in ("empty.jpg: empty file", "skipping gone.jpg: "):
        assert said in result.stderr
    told = json.loads(run(*words, photos.parent / "broken", "--json").stdout)
    assert told["skipped" if words == ("index",) else "albums"]
    assert len(json.loads(run("search", "red", "--json").stdout)) == 2, "of the gallery that was indexed last"


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What an evaluation returns, in place of one that would need a model and a captioned set."""
    evaluation = importlib.import_module("engine.evaluation.evaluate")
    recall = {"r1": 28.5, "r5": 58.25, "r10": 71.0, "error": 1.0}
    fidelity = {"label": 91.0, "top10": 82.0, "error": 0.9}
    row = {"policy": "tgem", "setting": 0.75, "macs_share": 0.7421, "max_macs_share": 1.0}
    row |= {"t2i": recall, "fidelity": fidelity}
    table = {"model": "m", "data": "d", "split": "val", "images": 3, "captions": 15, "rows": [row]}

    def measure(
        data: Sequence[Path],
        split: str,
        model: str | None,
        wanted: Sequence[str],
        rivals: Path | None,
        say: Callable[[str], None],
    ) -> dict[str, Any]:
        assert (data, split, model) == ([Path("somewhere")], "val", None)
        assert set(wanted) <= set(evaluation.POLICIES)
        say("3 of 3 photos")
        return table

    monkeypatch.setattr(evaluation, "evaluate", measure)
    return table


def test_evaluate_json_is_the_table_and_nothing_else(run: Run, table: dict[str, Any]) -> None:
    result = run("evaluate", "--data", "somewhere", "--split", "val", "--json")
    assert json.loads(result.stdout) == table
    assert result.stderr == "3 of 3 photos\n"


def test_evaluate_prints_a_line_a_row(run: Run, table: dict[str, Any]) -> None:
    lines = run("evaluate", "--data", "somewhere", "--split", "val").stdout.splitlines()
    assert lines[0] == "m on d, split val: 3 photos, 15 captions"
    assert " ".join(lines[-1].split()) == "tgem 0.75 74% 100% 28.5 / 58.2 / 71.0 91.0, 82.0"


def test_evaluate_names_a_policy_that_is_none(run: Run, table: dict[str, Any]) -> None:
    result = run("evaluate", "--data", "somewhere", "--split", "val", "--policies", "tgem,magic")
    assert result.exit_code == 2
    assert "magic is no policy" in result.output


def test_evaluate_says_which_policies_measure_nothing(run: Run, table: dict[str, Any]) -> None:
    named = ("--data", "somewhere", "--split", "val", "--policies")
    said = sentence(run("evaluate", *named, "ablation"))
    assert said == "The policy ablation measures rivals; name their folder by --rivals.\n"
    table["rows"] = []
    result = run("evaluate", *named, "exit+topm")
    assert result.exit_code == 0
    assert "None of these policies has anything to measure here" in result.stdout


def test_a_file_name_cannot_write_to_the_terminal(run: Run, photos: Path) -> None:
    (photos / "red.png").rename(photos / "\x1b[2Jred.png")
    (photos / "empty.jpg").rename(photos / "\x1b[2Jempty.jpg")
    assert "\x1b" not in run("index", photos).stderr
    assert "\x1b" not in run("search", "red").stdout
    assert "2 added" in run("index", photos, "--gallery", "\x1b]0;mine\x07").stdout
    missed = run("search", "red", "--gallery", "other").stderr
    assert "there are" in missed
    assert "\x1b" not in missed


def test_names_that_are_not_utf8_stop_nothing(run: Run, photos: Path) -> None:
    folder = Path(f"{photos.parent}/caf\udce9")  # as Python has the byte E9
    try:
        photos.rename(folder)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert "2 added" in run("index", folder).stdout
    assert "Sorted with 40%" in run("sort", folder, "--into", "red").stdout
    assert "2 added" in run("index", folder, "--gallery", "\udce9t\udce9").stdout
    for name, typed in [("caf\ufffd", "caf\udce9"), ("\ufffdt\ufffd", "\udce9t\udce9")]:
        for gallery in (name, typed):
            assert "red.png" in run("search", "red", "--gallery", gallery).stdout
            assert "2 needed nothing" in run("reencode", gallery).stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("index", "no/such/folder"), "no/such/folder is not a folder"),
        (("search", "red"), "Nothing is indexed yet"),
        (("search", "red", "--gallery", "holidays"), "Nothing is indexed yet"),
        (("index", "photos", "--workers", "2"), "--workers needs --on"),
        (("evaluate-albums", "data"), "Name data sets as FOLDER:SPLIT"),
        (("migrate-store", "tgem.db", "sqlite:////folder/tgem.db"), "must name a SQLite file, like sqlite:///"),
        (
            ("migrate-store", "sqlite:///a.db", "postgresql://user@host:port/a"),
            "must name a SQLite file, like sqlite:///",
        ),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(run: Run, words: tuple[str, ...], said: str) -> None:
    assert said in sentence(run(*words, "--json"))


@pytest.mark.parametrize(
    "words",
    [
        ("index", ""),
        ("sort", ""),
        ("sort", ".", "--copy", "", "--into", "red"),
        ("sort", ".", "--links=", "--into", "red"),
        ("backup", ""),
        ("restore", ""),
        ("evaluate", "--data", ".", "--data", ""),
        ("deploy-space", "lab/photos", "--dry-run", ""),
    ],
)
def test_an_empty_path_is_not_the_current_folder(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert sentence(run(*words)) == "An argument is empty; a variable in it may not be set.\n"
    assert list(Path().iterdir()) == []


def test_the_shipped_models_exits_are_not_written_over_by_a_fit_on_photos(run: Run, photos: Path) -> None:
    assert "has exits of its own" in sentence(run("fit", "--photos", photos))


OF_ALBUMS = b'{"sets": [{"data": "d", "phrases": 1, "rows": [{"policy": "full"}]}]}'


@pytest.mark.parametrize("content", [None, b"no JSON", b"\xff", b"[]", b'{"rows": []}', OF_ALBUMS])
def test_what_is_no_evaluation_is_not_reported_on(run: Run, tmp_path: Path, content: bytes | None) -> None:
    results = tmp_path / "results.json"
    if content is not None:
        results.write_bytes(content)
    said = sentence(run("report", results))
    assert said == f"{results} holds no results; `evaluate --json` and `bench --json` print some.\n"


def test_a_page_that_is_not_there_is_said_before_any_work(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "engine.evaluation.report", None)  # work would fail in another way
    result = run("report", "RESULTS", "--page", tmp_path / "nowhere" / "card.md")
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    assert "nowhere" in re.sub(r"[\s│]", "", result.stderr)  # the box of an error breaks a long path anywhere


def test_a_page_without_a_place_for_the_tables_stays_as_it_is(run: Run, tmp_path: Path) -> None:
    results, page = tmp_path / "results.json", tmp_path / "card.md"
    shutil.copyfile(RESULTS / "unseen.json", results)
    page.write_text("a card", encoding="utf-8")
    assert "has no place for the tables" in sentence(run("report", results, "--page", page))
    assert (page.read_text(encoding="utf-8"), len(list(tmp_path.iterdir()))) == ("a card", 2)


@pytest.mark.parametrize(
    ("work", "command"),
    [
        ("engine.exits.loading.load_encoder", ("race",)),
        ("engine.evaluation.albums.evaluate_albums", ("evaluate-albums", "data:test")),
        ("engine.evaluation.acceptance.to_fit", ("acceptance", "--photos", "PHOTOS")),
        ("engine.exits.loading.load_encoder", ("fit", "--photos", "PHOTOS")),
        ("engine.training.fit.to_fit", ("fit", "--data", "PHOTOS")),
    ],
)
def test_results_that_cannot_be_written_are_said_before_any_work(
    run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: str, command: tuple[str, ...]
) -> None:
    monkeypatch.setattr(work, lambda *words, **more: pytest.fail("the work began"))
    words = [photos if word == "PHOTOS" else word for word in command]
    (tmp_path / "file").touch()
    for place in (tmp_path / "file" / "out", tmp_path / ("z" * 300)):
        result = run(*words, "--out", place)
        assert isinstance(result.exception, SystemExit)
        assert "cannot be written (" in sentence(result)


def test_a_visitors_gallery_is_out_of_the_command_lines_reach(run: Run, photos: Path, fill: Fill) -> None:
    run("index", photos, "--gallery", "holidays")
    for name in ("holidays", "secret"):
        fill(name, {"theirs.png": "red"}, owner="visitor")
    for words in ((), ("--gallery", "holidays")):
        assert "theirs.png" not in run("search", "red", *words).stdout
    assert "2 needed nothing" in run("reencode", "holidays").stdout
    missed = sentence(run("search", "red", "--gallery", "secret"))
    assert missed == 'There is no gallery "secret"; there are: "holidays".\n'


def test_searching_for_nothing_says_so(run: Run, photos: Path) -> None:
    run("index", photos)
    result = run("search", " ")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "empty" in result.stderr
