"""A file is found at another place, whatever the system allows."""

import os
from pathlib import Path
from unittest.mock import Mock

import pytest

from engine.utils.links import link

REFUSE = Mock(side_effect=OSError("A required privilege is not held by the client"))


@pytest.mark.parametrize("refused", [(), ("symlink",), ("symlink", "link")])
def test_a_file_is_found_at_another_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: tuple[str, ...]
) -> None:
    (tmp_path / "file").write_bytes(b"whole")
    for name in refused:
        monkeypatch.setattr(os, name, REFUSE)
    link(tmp_path / "place", tmp_path / "file")
    assert (tmp_path / "place").read_bytes() == b"whole"


def test_a_file_that_is_not_there_is_an_error_where_nothing_can_be_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("symlink", "link"):
        monkeypatch.setattr(os, name, REFUSE)
    with pytest.raises(FileNotFoundError):
        link(tmp_path / "place", tmp_path / "gone")
