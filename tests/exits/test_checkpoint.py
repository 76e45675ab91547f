"""Exit weights on disk: whenever a process dies, a model has the ones before or the new ones, and loads."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.clip.backbone import ModelUnreadable
from engine.exits.budget import BUDGET_GRID, Plan
from engine.exits.checkpoint import (
    DESCRIBED,
    FittedExits,
    load_exits,
    save_exits,
    unfitted,
)
from engine.exits.modules import ExitModules
from tests import tiny_models

BACKBONE = tiny_models.backbone("vit")


def exits(price: float) -> FittedExits:
    """Exits of random weights."""
    modules = ExitModules(tiny_models.exits_of(BACKBONE, 2), BACKBONE.dim)
    return FittedExits(modules, (Plan((0,), price),) * len(BUDGET_GRID), unfitted(modules).calibrations)


def price(folder: Path) -> float | None:
    found = load_exits(folder, BACKBONE, "abc")
    return None if found is None else found.plans[0].price


HARM = {  # rows of a stranger's tgem.json, and what they would do
    "a scout that is the model's own pass": [{"stage": "head", "pooled": 20, "size": 32}],
    "a full pass before the others": [
        {"stage": "blocks.0", "pooled": 64},
        {"stage": "head", "pooled": 20, "size": 16, "scout": True},
    ],
    "an input larger than the model's": [{"stage": "head", "pooled": 20, "size": 100_000, "scout": True}],
    "a size that this tower does not read": [{"stage": "head", "pooled": 20, "size": 16}],
    "a scout along the depth": [{"stage": "blocks.0", "pooled": 20, "size": 16, "scout": True}],
    "a stage that there is not": [{"stage": "blocks.99", "pooled": 64}],
    "stages backwards": [{"stage": "blocks.1", "pooled": 64}, {"stage": "blocks.0", "pooled": 64}],
    "a field of another kind": [{"stage": "head", "pooled": 20, "size": 16, "scout": []}],
    "features without tensors": [{"stage": "blocks.0", "pooled": 10**9}],
}


@pytest.mark.parametrize("harm", HARM)
def test_a_ladder_that_cannot_be_is_refused_before_it_is_built(
    harm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_exits(tmp_path, exits(1.0), "abc")
    about = json.loads((tmp_path / DESCRIBED).read_text("utf-8"))
    (tmp_path / DESCRIBED).write_text(json.dumps(about | {"exits": HARM[harm]}), "utf-8")
    monkeypatch.setattr("engine.exits.checkpoint.ExitModules", lambda *_: pytest.fail("it was built"))
    with pytest.raises(ModelUnreadable, match="cannot be read"):
        load_exits(tmp_path, BACKBONE, "abc")


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


@pytest.mark.parametrize("lacking", ["weights", "modules", "exits", "plans", "calibrations"])
def test_a_description_that_lacks_something_is_one_sentence(lacking: str, tmp_path: Path) -> None:
    save_exits(tmp_path, exits(1.0), "abc")
    described = tmp_path / "tgem.json"
    about = json.loads(described.read_text("utf-8"))
    del about[lacking]
    described.write_text(json.dumps(about), "utf-8")
    with pytest.raises(ModelUnreadable, match="cannot be read; restore"):
        price(tmp_path)
