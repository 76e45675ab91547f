import errno
from contextlib import suppress
from pathlib import Path
from unittest.mock import Mock

import pytest

from engine.utils.atomic_files import replacing, write_whole


def test_what_cannot_be_written_whole_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new" / "file"
    write_whole(path, b"first")
    for step in ("write_bytes", "replace"):
        with monkeypatch.context() as broken:
            broken.setattr(Path, step, Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
            with pytest.raises(OSError, match="No space"):
                write_whole(path, b"second")
        assert [file.name for file in path.parent.iterdir()] == ["file"]
        assert path.read_bytes() == b"first"
    assert path.stat().st_mode & 0o077 == 0, "nobody else may read it"


def test_a_file_that_is_written_in_parts_takes_the_place_of_another_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"first")
    with replacing(path) as part, part.open("wb") as file:
        file.write(b"sec")
        assert path.read_bytes() == b"first"
        file.write(b"ond")
    assert path.read_bytes() == b"second"
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["file"]


def test_a_file_of_which_the_writing_fails_takes_no_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"first")
    with suppress(ValueError), replacing(tmp_path / "file") as part:
        part.write_bytes(b"sec")
        raise ValueError
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir() if file.is_file()] == [("file", b"first")]
