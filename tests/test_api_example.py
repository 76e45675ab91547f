"""The example of docs/api.md for Python programs runs as it stands, with the embedded model."""

import re
from pathlib import Path
from typing import Any

import pytest

import engine
from tests.pictures import MakePng

DOCS = Path(__file__).parents[1] / "docs" / "api.md"


def test_the_example_indexes_a_folder_and_finds_what_it_asks_for(
    tmp_path: Path, png: MakePng, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    for name, colour in (("red.png", "red"), ("blue.png", "blue"), ("green.png", "green")):
        (tmp_path / "photos" / name).write_bytes(png(colour))
    (example,) = re.findall(r"```py\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {"folder": tmp_path / "photos"}
    exec(example, names)
    assert names["report"].added == 3
    assert {hit.photo.file for hit in names["found"].hits} == {"red.png", "blue.png", "green.png"}
    assert "left at exit" in capsys.readouterr().out
    names["library"].database.close()


def test_every_name_of_the_engine_is_there() -> None:
    for name in engine.__all__:
        assert getattr(engine, name).__name__ == name
