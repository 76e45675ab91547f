"""Exit weights on disk: whenever a process dies, a model has the ones before or the new ones, and loads."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch

from engine.clip.small_tower import LAST_MAP
from engine.exits.calibration import Calibration
from engine.exits.checkpoint import (
    DESCRIBED,
    STORED,
    FittedExits,
    as_stored,
    exits_hash,
    load_exits,
    looking_hash,
    save_exits,
    unfitted,
)
from engine.exits.modules import ExitModules
from engine.utils.errors import ModelUnreadable
from engine.utils.paths import ROOT
from tests import tiny_models

BACKBONE = tiny_models.backbone("vit")
TRUNK = "tf_efficientnet_lite0"
SEEN = BACKBONE.dim + 2 * LAST_MAP[TRUNK]


def exits(price: float, joined: bool = False) -> FittedExits:
    """Exits of random weights, none of whose numbers is a default."""
    fitted = unfitted(ExitModules(tiny_models.exits_of(BACKBONE, 2), BACKBONE.dim, joined))
    prices = tuple(price - i / 8 for i in range(len(fitted.log_prices)))
    calibrations = (*(Calibration(0.75, 0.5, 0.25) for _ in fitted.calibrations[:-1]), fitted.calibrations[-1])
    return replace(fitted, log_prices=prices, calibrations=calibrations, affinity_weight=0.5, usual_affinity=0.25)


def reference(many: int = 3, lacking: int = 0) -> torch.Tensor:
    """Photos that the exits of `exits` have seen, or fewer exits."""
    draw, count = torch.Generator().manual_seed(0), len(tiny_models.exits_of(BACKBONE, 2)) - lacking
    return torch.randn(many, count, BACKBONE.dim, generator=draw)


def price(folder: Path) -> float | None:
    found = load_exits(folder, BACKBONE, "abc")
    return None if found is None else found.log_prices[0]


def assert_refused(folder: Path) -> None:
    with pytest.raises(ModelUnreadable, match=r"cannot be read; restore tgem\.json and tgem\.safetensors"):
        price(folder)


def changed(folder: Path, **fields: object) -> None:
    """Change what `tgem.json` says."""
    about = json.loads((folder / DESCRIBED).read_text("utf-8"))
    (folder / DESCRIBED).write_text(json.dumps(about | fields), "utf-8")


@pytest.mark.parametrize("joined", [True, False])
@pytest.mark.parametrize("photos", [True, False])
def test_exits_come_back_as_they_are_stored(joined: bool, photos: bool, tmp_path: Path) -> None:
    captions = torch.nn.functional.normalize(torch.randn(4, BACKBONE.dim), dim=1) if photos else None
    fitted = replace(exits(1.0, joined), reference=reference() if photos else None, captions=captions)
    save_exits(tmp_path, fitted, "abc", "a model")
    found = load_exits(tmp_path, BACKBONE, "abc")
    assert found is not None
    assert found.modules.exits == fitted.modules.exits
    assert (found.modules.last is not None) == joined
    wanted = as_stored(fitted.modules).state_dict()
    assert wanted.keys() == found.modules.state_dict().keys()
    assert all(torch.equal(wanted[name], tensor) for name, tensor in found.modules.state_dict().items())
    assert (found.log_prices, found.calibrations) == (fitted.log_prices, fitted.calibrations)
    assert (found.affinity_weight, found.usual_affinity) == (0.5, 0.25)
    assert (found.reference is not None) == (found.captions is not None) == photos
    if found.captions is not None and captions is not None:
        assert torch.equal(found.captions, captions.half())
    if found.reference is not None:
        assert torch.equal(found.reference, reference().half())


def test_a_smaller_tower_is_kept_with_its_exit(tmp_path: Path) -> None:
    modules = ExitModules(tiny_models.ladder_of(BACKBONE, 2, (32,)), BACKBONE.dim)
    save_exits(tmp_path, unfitted(modules), "abc")
    found = load_exits(tmp_path, BACKBONE, "abc")
    assert found is not None
    assert found.modules.exits == modules.exits
    wanted = as_stored(modules).towers.state_dict()
    assert all(torch.equal(wanted[name], tensor) for name, tensor in found.modules.towers.state_dict().items())


def test_a_model_without_exits_has_none(tmp_path: Path) -> None:
    assert load_exits(tmp_path, BACKBONE, "abc") is None


def test_exits_of_other_weights_or_of_another_edition_are_refused(tmp_path: Path) -> None:
    save_exits(tmp_path, exits(1.0), "abc")
    with pytest.raises(ModelUnreadable, match="fitted on other weights of the model; fit them again"):
        load_exits(tmp_path, BACKBONE, "abd")
    (tmp_path / DESCRIBED).write_text(json.dumps({"format": 3, "plans": []}), "utf-8")
    with pytest.raises(ModelUnreadable, match="of an earlier edition; fit them again"):
        load_exits(tmp_path, BACKBONE, "abc")
    (tmp_path / DESCRIBED).write_text(json.dumps({"format": 5}), "utf-8")
    with pytest.raises(ModelUnreadable, match="of a later edition; upgrade the program"):
        load_exits(tmp_path, BACKBONE, "abc")


def test_exits_that_memory_has_no_room_for_are_not_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_exits(tmp_path, exits(1.0), "abc")
    monkeypatch.setattr("engine.exits.checkpoint.load", Mock(side_effect=RuntimeError("can't allocate memory")))
    with pytest.raises(RuntimeError, match="allocate memory"):  # which the loading of the encoder says
        load_exits(tmp_path, BACKBONE, "abc")


def test_damaged_tensors_are_refused(tmp_path: Path) -> None:
    save_exits(tmp_path, exits(1.0), "abc")
    whole = (tmp_path / STORED).read_bytes()
    for damage in (whole[:-1], b"", whole[:100], b"\xff" * 10_000):
        (tmp_path / STORED).write_bytes(damage)
        assert_refused(tmp_path)
    (tmp_path / STORED).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ModelUnreadable, match="not of one piece"):
        price(tmp_path)
    (tmp_path / STORED).unlink()
    assert_refused(tmp_path)


def test_the_hash_of_exits_goes_by_files_bank_and_phrases(tmp_path: Path) -> None:
    save_exits(tmp_path, exits(1.0), "abc")
    first = exits_hash(tmp_path, ["a dog"])
    assert first == exits_hash(tmp_path, ["a dog"]) != exits_hash(tmp_path, ["a cat"])
    save_exits(tmp_path, exits(2.0), "abc")
    assert exits_hash(tmp_path, ["a dog"]) != first
    assert len({first, looking_hash(first, ["a"]), looking_hash(first, ["b"]), looking_hash(first, ["a", "b"])}) == 4
    assert looking_hash("", ["a"]) == "", "where there are no exits, phrases decide nothing"


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no checkout")
def test_git_writes_the_files_that_are_hashed_with_the_same_bytes_everywhere() -> None:
    """Git for Windows ends lines its own way where nothing tells it not to."""
    command = ["git", "check-attr", "text", "--", f"assets/models/tgem-mini/{DESCRIBED}"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.endswith("text: unset\n")


def row(**fields: object) -> dict[str, object]:
    """An exit that could be, but for some fields."""
    return {"stage": "blocks.0", "seen": 64, "tower": "", "size": 0} | fields


SMALLER = row(stage="head", seen=SEEN, tower=TRUNK, size=32)
HARM: dict[str, Any] = {  # exits of a stranger's tgem.json
    "a smaller tower that is the model's own": [row(stage="head", size=32)],
    "a tower that there is not": [SMALLER | {"tower": "resnet50"}],
    "a tower of another kind": [SMALLER | {"tower": ["tf_efficientnet_lite0"]}],
    "no tower, of another kind": [row(tower=[])],
    "a smaller tower after the model's own": [row(), SMALLER],
    "a smaller tower along its depth": [SMALLER | {"stage": "blocks.0"}],
    "an input larger than the model's": [SMALLER | {"size": 10**9}],
    "an input of a few pixels": [SMALLER | {"size": 1}],
    "towers without tensors": [SMALLER] * 1_000,
    "an input along the depth": [row(size=32)],
    "a stage that there is not": [row(stage="blocks.99")],
    "stages backwards": [row(stage="blocks.1"), row()],
    "a stage twice": [row(), row()],
    "features that the stage has not": [row(seen=10**9)],
    "features below nothing": [row(seen=-64)],
    "a size below nothing": [SMALLER | {"size": -32}],
    "a number that is true": [row(size=False)],
    "a number with a fraction": [row(seen=64.0)],
    "a field too many": [row(scout=True)],
    "a field too few": [{"stage": "blocks.0"}],
    "no list": 7,
    "a list of words": ["blocks.0"],
}


@pytest.mark.parametrize("harm", HARM)
def test_a_ladder_that_cannot_be_is_refused_before_it_is_built(
    harm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_exits(tmp_path, exits(1.0), "abc")
    changed(tmp_path, exits=HARM[harm])
    monkeypatch.setattr("engine.exits.checkpoint.ExitModules", lambda *_: pytest.fail("it was built"))
    assert_refused(tmp_path)


FIELDS: dict[str, dict[str, Any]] = {  # and its other fields
    "a price that is none": {"log_prices": {"0.20": float("nan")}},
    "a price in words": {"log_prices": {f"{percent / 100:.2f}": "1.0" for percent in range(20, 101, 5)}},
    "a price beyond numbers": {"log_prices": {f"{percent / 100:.2f}": 10**400 for percent in range(20, 101, 5)}},
    "a list of prices": {"log_prices": [1.0] * 17},
    "calibrations in words": {"calibrations": [{"slope": "1", "offset": "0", "deviation": "0"}] * 3},
    "calibrations of other exits": {"calibrations": [{"slope": 1, "offset": 0, "deviation": 0}]},
    "a deviation below nothing": {"calibrations": [{"slope": 1, "offset": 0, "deviation": -1}] * 3},
    "calibrations that are none": {"calibrations": [{"slope": float("inf"), "offset": 0, "deviation": 0}] * 3},
    "a calibration that is no table": {"calibrations": [1, 2, 3]},
    "a weight in words": {"affinity_weight": "heavy"},
    "a weight that is none": {"affinity_weight": None},
    "a last readout that has no tensors": {"joined": True},
    "joined with no exit": {"joined": True, "exits": [], "calibrations": [{"slope": 1, "offset": 0, "deviation": 0}]},
}


@pytest.mark.parametrize("harm", FIELDS)
def test_a_description_with_other_kinds_of_values_is_refused(harm: str, tmp_path: Path) -> None:
    fitted = exits(1.0)
    assert len(fitted.calibrations) == 3
    save_exits(tmp_path, fitted, "abc")
    changed(tmp_path, **FIELDS[harm])
    assert_refused(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "null", "[" * 100_000, "\ud800", '{"format": 4}'])
def test_a_description_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    save_exits(tmp_path, exits(1.0), "abc")
    (tmp_path / DESCRIBED).write_bytes(text.encode("utf-8", "surrogatepass"))
    assert_refused(tmp_path)


@pytest.mark.parametrize(
    "fields",
    [
        {"reference": reference(0)},
        {"reference": reference(lacking=1)},
        {"captions": torch.zeros(4, BACKBONE.dim + 1)},
        {"captions": torch.zeros(BACKBONE.dim)},
    ],
)
def test_what_other_exits_have_seen_is_refused(fields: dict[str, Any], tmp_path: Path) -> None:
    save_exits(tmp_path, replace(exits(1.0), **fields), "abc")
    assert_refused(tmp_path)


def dying_at(change: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the process die at one of the renames to come."""
    left = iter(range(change, -1, -1))
    replace: Callable[[Path, Path], Path] = Path.replace

    def replacing(path: Path, target: Path) -> Path:
        if next(left) == 0:
            raise KeyboardInterrupt
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", replacing)


@pytest.mark.parametrize(("change", "kept"), [(0, 1.0), (1, 1.0), (2, 2.0)])
@pytest.mark.parametrize("first", [True, False])
def test_a_death_between_two_files_leaves_the_old_pair_or_the_new(
    change: int, kept: float, first: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not first:
        save_exits(tmp_path, exits(1.0), "abc")
    with monkeypatch.context() as dying:
        dying_at(change, dying)
        with pytest.raises(KeyboardInterrupt):
            save_exits(tmp_path, exits(2.0), "abc")
    assert price(tmp_path) == (None if first and kept == 1.0 else kept)
    save_exits(tmp_path, exits(3.0), "abc")
    assert price(tmp_path) == 3.0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tgem.json", "tgem.safetensors"]


def test_a_description_that_lacks_something_is_one_sentence(tmp_path: Path) -> None:
    save_exits(tmp_path, exits(1.0), "abc")
    about = json.loads((tmp_path / DESCRIBED).read_text("utf-8"))
    for lacking in about.keys() - {"format", "model"}:
        (tmp_path / DESCRIBED).write_text(json.dumps({key: about[key] for key in about if key != lacking}), "utf-8")
        assert_refused(tmp_path)
