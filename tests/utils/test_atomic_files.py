import errno
from pathlib import Path
from unittest.mock import Mock

import pytest

from engine.utils.atomic_files import write_whole


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
