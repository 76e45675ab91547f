"""Exit weights on disk: whenever a process dies, a model has the ones before or the new ones, and loads."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.backbone import ModelUnreadable
from engine.budget import BUDGET_GRID, Plan
from engine.exits import FittedExits, load_exits, load_variants, save_exits, save_variant, unfitted
from engine.tgem import ExitModules
from tests import tiny

BACKBONE = tiny.backbone("vit")


def exits(price: float) -> FittedExits:
    """Exits of random weights."""
    modules = ExitModules(tiny.exits_of(BACKBONE, 2), BACKBONE.dim)
    return FittedExits(modules, (Plan((0,), price),) * len(BUDGET_GRID), unfitted(modules).calibrations)


def price(folder: Path) -> float | None:
    found = load_exits(folder, BACKBONE, "abc")
    return None if found is None else found.plans[0].price


def dying_at(change: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the process die at one of the renames to come."""
    left = iter(range(change, -1, -1))
    replace: Callable[[Path, Path], Path] = Path.replace

    def replacing(path: Path, target: Path) -> Path:
        if next(left) == 0:
            raise KeyboardInterrupt
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", replacing)


@pytest.mark.parametrize(("change", "kept"), [(0, 1.0), (1, 2.0)])
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
    assert price(tmp_path) == (None if first and change == 0 else kept)
    save_exits(tmp_path, exits(3.0), "abc")
    assert price(tmp_path) == 3.0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tgem.json", "tgem.safetensors"]


def test_a_variant_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = exits(1.0)
    save_variant(tmp_path, "seed-2", fitted, "abc")
    with monkeypatch.context() as dying:
        dying_at(0, dying)
        with pytest.raises(KeyboardInterrupt):
            save_variant(tmp_path, "seed-3", fitted, "abc")
    assert list(load_variants(tmp_path, fitted, "abc")) == ["seed-2"]
    assert load_variants(tmp_path, fitted, "another") == {}


def test_a_damaged_variant_is_one_sentence(tmp_path: Path) -> None:
    fitted = exits(1.0)
    save_variant(tmp_path, "seed-2", fitted, "abc")
    path = tmp_path / "variants" / "seed-2.safetensors"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ModelUnreadable, match=r"seed-2\.safetensors cannot be read"):
        load_variants(tmp_path, fitted, "abc")
