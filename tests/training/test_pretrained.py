import sys
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from engine.training.pretrained import PIECES, TEACHER, unpack_teacher
from engine.utils.errors import EngineError


def test_a_teacher_that_came_in_pieces_is_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = BytesIO()
    with ZipFile(whole, "w") as archive:
        archive.writestr(f"{TEACHER}/config.json", "of a model")
        archive.writestr(f"{TEACHER}/vocab.txt", "a dog " * 40)
    content, packages = whole.getvalue(), tmp_path / "packages"
    size = len(content) // PIECES + 1
    for number in range(PIECES):
        package = packages / f"{TEACHER}-pypi-part_00{number + 1}"
        (package / "input").mkdir(parents=True)
        (package / "__init__.py").touch()
        piece = content[number * size : (number + 1) * size]
        (package / "input" / f"{TEACHER}.zip.00{number + 1}").write_bytes(piece)
    monkeypatch.syspath_prepend(packages)
    work = tmp_path / "work"
    work.mkdir()
    folder = unpack_teacher(work)
    assert (folder / "config.json").read_text() == "of a model"
    sys.path.remove(str(packages))
    assert unpack_teacher(work) == folder
    assert [*work.iterdir()] == [folder]


def test_a_piece_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(EngineError, match=f"{TEACHER}-pypi-part_001 is not installed; pip install"):
        unpack_teacher(tmp_path)
