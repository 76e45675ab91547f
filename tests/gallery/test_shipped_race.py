from dataclasses import replace
from pathlib import Path

import pytest

from engine.gallery.shipped_race import shipped_race, write_race
from engine.utils.errors import EngineError


def test_what_ships_is_a_race_with_its_date_and_machine() -> None:
    found = shipped_race()
    assert found.race.at > 1_600_000_000
    assert found.machine
    assert 0 < found.shared <= 10
    assert found.measured.machine == found.machine


def test_what_is_written_is_read(tmp_path: Path) -> None:
    found = replace(shipped_race(), machine="another")
    write_race(found, tmp_path / "race.json")
    assert shipped_race(tmp_path / "race.json") == found


@pytest.mark.parametrize("text", [None, "{", "[]", '{"race": {}}'])
def test_what_is_no_measurement_is_one_sentence(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "race.json").write_text(text)
    with pytest.raises(EngineError, match="engine race --out"):
        shipped_race(tmp_path / "race.json")
