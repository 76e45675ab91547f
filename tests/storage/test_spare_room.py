"""A disk that is full of photos has room for deleting them."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from engine.storage.spare_room import SIZE, SpareRoom

Usage = namedtuple("Usage", "total used free")


def test_room_is_kept_while_there_is_plenty_and_given_up_when_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def occupy(free: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 40, 0, free))

    def kept() -> int:
        return sum(file.stat().st_size for file in tmp_path.iterdir())

    room = SpareRoom(tmp_path)
    occupy(2 * SIZE)
    room.keep()
    assert kept() == 0, "photos need it more"
    occupy(1 << 39)
    room.keep()
    assert kept() == SIZE
    room.give_up()
    assert kept() == SIZE
    occupy(SIZE // 2)
    room.give_up()
    assert kept() == 0
    room.give_up()
