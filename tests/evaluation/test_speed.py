import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from engine import cli as command_line
from engine.evaluation import speed
from engine.exits.encoder import Encoder
from engine.utils.errors import EngineError
from tests import tiny_models

ROWS = [
    {"model": "m", "mode": "bare", "batch": 8, "images_per_s": 10.2, "macs_share": 1.0},
    {"model": "m", "mode": "full", "batch": 8, "images_per_s": 10.0, "macs_share": 1.0},
    {"model": "m", "mode": "exit:1", "batch": 8, "images_per_s": 19.0, "macs_share": 0.5},
    {"model": "m <x>", "mode": "full", "batch": 1, "images_per_s": 5.0, "macs_share": 1.0},
]


@pytest.fixture
def encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Encoder:
    """A model without exits, and photos to measure it on."""
    for i, picture in enumerate(tiny_models.pictures(20, 32)):
        picture.save(tmp_path / f"{i}.jpg")
    found = tiny_models.bare(tmp_path)
    monkeypatch.setattr(speed, "DEMO_GALLERY", tmp_path)
    monkeypatch.setattr(speed, "load_encoder", lambda model, precision: found)
    return found


def test_every_mode_of_a_model_is_measured(encoder: Encoder) -> None:
    said: list[str] = []
    table = speed.bench([None], [1, 4], say=said.append)
    assert set(table) == {"device", "threads", "precision", "rows"}
    assert table["precision"] == "float32"
    exits = speed.encoder_to_measure(None).exits
    modes = ["bare", "full", "tgem", *(f"exit:{k}" for k in range(1, exits))]
    assert [(row["batch"], row["mode"]) for row in table["rows"]] == [(b, mode) for b in (1, 4) for mode in modes]
    assert len(said) == len(table["rows"])
    for row in table["rows"]:
        assert set(row) == {"model", "mode", "batch", "images_per_s", "macs_share"}
        assert row["images_per_s"] > 0
    shares = {row["mode"]: row["macs_share"] for row in table["rows"]}
    assert shares["bare"] < shares["full"] == 1, "what the exits read is not for nothing"
    early = [shares[mode] for mode in modes if mode.startswith("exit")]
    assert early == sorted(early)
    assert early[0] < shares["tgem"] < 1


def test_untrained_gates_let_equal_shares_go(encoder: Encoder) -> None:
    pixels = tiny_models.pixels(60, 32)
    fitted = encoder.with_exits(speed.untrained(encoder, pixels))
    left = np.bincount([e.exit - 1 for e in fitted.encode(pixels)], minlength=fitted.exits)
    assert left.min() >= 60 / fitted.exits - 3
    assert left.max() <= 60 / fitted.exits + 3


def test_a_mode_that_is_none_is_a_sentence(encoder: Encoder) -> None:
    with pytest.raises(EngineError, match="exit:99 is no mode of tiny; choose from bare, full, tgem, exit:1"):
        speed.bench([None], [4], ["full", "exit:99"])


def test_the_command_narrows_and_prints_json_alone(encoder: Encoder) -> None:
    words = ["bench", "--batch", "4", "--modes", "bare,full,exit:1", "--json"]
    result = CliRunner().invoke(command_line.cli, words)
    assert result.exit_code == 0, result.output
    assert [row["mode"] for row in json.loads(result.stdout)["rows"]] == ["bare", "full", "exit:1"]
    assert "of what its MACs promise" in result.stderr
    assert "±" in result.stderr


def test_a_promise_is_kept_where_speed_grows_as_macs_shrink() -> None:
    ((row, kept),) = speed.promises(ROWS)
    assert row["mode"] == "exit:1"
    assert kept == pytest.approx(0.95)
