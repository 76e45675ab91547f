import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from engine.evaluation import demo_race
from engine.evaluation.demo_race import race_demo
from tests.fake_encoder import FakeEncoder
from tests.pictures import MakePng


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say what is open")
def test_a_race_leaves_its_folder_with_no_file_in_it_open(
    fake_encoder: FakeEncoder, png: MakePng, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows could not delete the folder otherwise."""
    for colour in ("red", "green", "blue"):
        (tmp_path / f"{colour}.png").write_bytes(png(colour))
    monkeypatch.setattr(demo_race, "DEMO_GALLERY", tmp_path)
    monkeypatch.setattr(demo_race, "_queries", lambda: ["red", "blue"])
    monkeypatch.setattr(demo_race, "device_name", lambda encoder: "no device")
    left: list[str] = []

    class Watched(TemporaryDirectory[str]):
        def cleanup(self) -> None:
            found = (os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.is_symlink())
            left.extend(path for path in found if path.startswith(self.name))
            super().cleanup()

    monkeypatch.setattr(demo_race, "TemporaryDirectory", Watched)
    found = race_demo(fake_encoder, rounds=1)
    assert (found.race.photos, found.queries) == (3, 2)
    assert left == []
