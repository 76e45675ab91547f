"""The demo gallery is encoded at the first start, whatever goes wrong on the way, and is as it was shipped."""

import json
from pathlib import Path

import pytest

from app.demo import NAME, Demo
from engine.gallery import DEFAULT_BUDGET, DEMO_GALLERY, EngineError, Library
from engine.gallery.galleries import delete_gallery, list_photos, open_gallery, summarize_gallery
from engine.gallery.reencode import reencode_gallery
from engine.storage.database import Database
from tests.fake_encoder import FakeEncoder


def test_it_is_encoded_once(library: Library, folder: Path, demo: Demo, fake_encoder: FakeEncoder) -> None:
    assert demo.ready
    assert fake_encoder.batches == [3]
    again = Demo(library, folder)
    again.start().join()
    assert again.id == demo.id
    assert fake_encoder.batches == [3]


def test_photos_that_left_the_folder_leave_the_gallery(library: Library, folder: Path, demo: Demo) -> None:
    (folder / "blue-square.png").unlink()
    again = Demo(library, folder)
    again.start().join()
    assert {photo.file for photo in list_photos(library, again.id)} == {"red-square.png", "green-square.png"}


def test_another_budget_lasts_until_the_next_start(library: Library, folder: Path, demo: Demo) -> None:
    shipped = summarize_gallery(library, demo.id).exits
    for budgets in ((1.0,), (1.0, DEFAULT_BUDGET), (0.2,)):
        again = Demo(library, folder)
        for budget in budgets:
            reencode_gallery(library, again.id, budget)
        again.start().join()
        now = summarize_gallery(library, again.id)
        assert (now.exits, now.budget) == (shipped, DEFAULT_BUDGET)


def test_the_terminal_says_once_why_it_cannot_be_encoded_and_it_is_tried_again(
    database: Database,
    folder: Path,
    fake_encoder: FakeEncoder,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    away = EngineError("The Hub does not answer; name another model.")
    wrong = [away, away, RuntimeError("no such kernel"), RuntimeError("no such kernel")]
    problems = []

    def fetched() -> FakeEncoder:
        if wrong:
            raise wrong[0]
        return fake_encoder

    def wait(_: float) -> None:
        problems.append((demo.ready, str(demo.problem)))
        wrong.pop(0)

    monkeypatch.setattr("app.demo.sleep", wait)
    demo = Demo(Library(database, fetched), folder)
    demo.start().join()
    assert problems[:2] == 2 * [(True, str(away))]
    assert problems[2:] == 2 * [(True, problems[2][1])]
    assert "could not be encoded (no such kernel). It is tried again" in problems[2][1]
    said = capsys.readouterr().err
    assert (said.count(str(away)), said.count("Traceback"), said.count(problems[2][1])) == (1, 1, 1)
    assert demo.problem is None
    assert len(list_photos(Library(database, fetched), demo.id)) == 3


def test_one_that_another_process_has_made_in_its_place_is_found(library: Library, demo: Demo) -> None:
    delete_gallery(library, demo.id)
    other = open_gallery(library, NAME, kind="demo")
    demo.find_again()
    assert demo.id == other


def test_its_queries_are_those_of_the_shipped_gallery(library: Library) -> None:
    queries = json.loads((DEMO_GALLERY / "queries.json").read_text("utf-8"))
    assert Demo(library).queries == [row["query"] for row in queries]
    assert len(queries) >= 12
