"""Results are written, or one sentence says why not."""

from pathlib import Path

import pytest

from engine.utils.errors import HostProblem
from engine.utils.result_files import require_writable, write_result


def test_a_place_is_tried_and_left_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "new" / "results.json"
    require_writable(file)
    assert list(file.parent.iterdir()) == []
    write_result(file, b"{}")
    require_writable(file)
    assert file.read_bytes() == b"{}"


def test_a_place_that_takes_no_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path, tmp_path / "file" / "results.json", tmp_path / ("z" * 300)):
        with pytest.raises(HostProblem, match=r"cannot be written \(\w"):
            require_writable(place)
        with pytest.raises(HostProblem, match=r"cannot be written \(\w"):
            write_result(place, b"{}")
