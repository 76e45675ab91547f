"""Exit weights on disk: `tgem.json` and `tgem.safetensors`, beside the model's own weights."""

import json
from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from engine.backbone import Backbone, ModelUnreadable
from engine.budget import BUDGET_GRID
from engine.tgem import Exit, ExitModules


def save_exits(folder: Path, modules: ExitModules, prices: Sequence[float], weights: str) -> None:
    """Write `tgem.json` and `tgem.safetensors` (float16) beside a model's weights."""
    about = {
        "format": 1,
        "weights": weights,
        "exits": modules.describe(),
        "prices": {f"{budget:.2f}": float(f"{price:.6g}") for budget, price in zip(BUDGET_GRID, prices, strict=True)},
    }
    save_file({name: t.half().contiguous() for name, t in modules.state_dict().items()}, folder / "tgem.safetensors")
    (folder / "tgem.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def load_exits(folder: Path, backbone: Backbone, weights: str) -> tuple[ExitModules, list[float]] | None:
    """Exit modules and prices beside a model, or None where there are none.

    Raises: ModelUnreadable where they are damaged or belong to other weights.
    """
    described, stored = folder / "tgem.json", folder / "tgem.safetensors"
    if not described.is_file() and not stored.is_file():
        return None
    try:
        about = json.loads(described.read_text(encoding="utf-8"))
        modules = ExitModules([Exit(**row) for row in about["exits"]], backbone.dim)
        modules.load_state_dict(load_file(stored))
        prices = [about["prices"][f"{budget:.2f}"] for budget in BUDGET_GRID]
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise ModelUnreadable(
            f"The exit weights in {folder} cannot be read; restore tgem.json and tgem.safetensors."
        ) from error
    if about["weights"] != weights:
        raise ModelUnreadable(
            f"The exit weights in {folder} were fitted on other weights of the model; fit them again."
        )
    return modules, prices
