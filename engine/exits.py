"""Exit weights on disk: `tgem.json` and `tgem.safetensors`, beside the model's own weights."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from engine.backbone import Backbone, ModelUnreadable
from engine.budget import BUDGET_GRID, Plan
from engine.deepening import Calibration, calibrations
from engine.tgem import Exit, ExitModules


@dataclass(frozen=True)
class FittedExits:
    """All that fitting gives: modules, and how they are used."""

    modules: ExitModules
    plans: tuple[Plan, ...]  # one for each budget of BUDGET_GRID
    calibrations: tuple[Calibration, ...]  # of the scores at each exit, the last one exact


def unfitted(modules: ExitModules) -> FittedExits:
    """Exits whose gates are still to be fitted: none is ever asked."""
    return FittedExits(modules, tuple(Plan((), 0.0) for _ in BUDGET_GRID), calibrations(len(modules.exits) + 1))


def save_exits(folder: Path, exits: FittedExits, weights: str) -> None:
    """Write a model's exits, weights in float16; the two files name each other, so halves never mix.

    Args: weights: the model's hash.
    """
    stored = save({name: t.half().contiguous() for name, t in exits.modules.state_dict().items()})
    about = {
        "format": 2,
        "weights": weights,
        "modules": hashlib.sha256(stored).hexdigest(),
        "exits": exits.modules.describe(),
        "plans": {f"{budget:.2f}": asdict(plan) for budget, plan in zip(BUDGET_GRID, exits.plans, strict=True)},
        "calibrations": [asdict(calibration) for calibration in exits.calibrations],
    }
    for name, data in (
        ("tgem.safetensors", stored),
        ("tgem.json", (json.dumps(about, indent=2) + "\n").encode()),
    ):
        partial = folder / f"{name}.partial"
        partial.write_bytes(data)
        partial.replace(folder / name)


def load_exits(folder: Path, backbone: Backbone, weights: str) -> FittedExits | None:
    """The exits beside a model, or None where there are none.

    Raises: ModelUnreadable where they are damaged or belong to other weights.
    """
    described, stored = folder / "tgem.json", folder / "tgem.safetensors"
    if not described.is_file() and not stored.is_file():
        return None
    try:
        about = json.loads(described.read_text(encoding="utf-8"))
        data = stored.read_bytes()
        modules = ExitModules([Exit(**row) for row in about["exits"]], backbone.dim)
        modules.load_state_dict(load(data))
        stored_plans = [about["plans"][f"{budget:.2f}"] for budget in BUDGET_GRID]
        plans = tuple(Plan(tuple(plan["open"]), float(plan["price"])) for plan in stored_plans)
        calibrations = tuple(Calibration(**row) for row in about["calibrations"])
        if len(calibrations) != len(modules.exits) + 1:
            raise ValueError("a calibration for each exit")
        whole = about["modules"] == hashlib.sha256(data).hexdigest()
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise ModelUnreadable(
            f"The exit weights in {folder} cannot be read; restore tgem.json and tgem.safetensors."
        ) from error
    if not whole:
        raise ModelUnreadable(f"tgem.json and tgem.safetensors in {folder} are not of one piece; restore both.")
    if about["weights"] != weights:
        raise ModelUnreadable(
            f"The exit weights in {folder} were fitted on other weights of the model; fit them again."
        )
    return FittedExits(modules, plans, calibrations)


def exits_hash(folder: Path, guide_texts: Sequence[str]) -> str:
    """SHA-256, in hex, of what decides where a photo leaves: both files, and the guide texts that gates read."""
    digest = hashlib.sha256()
    for part in (
        (folder / "tgem.json").read_bytes(),
        (folder / "tgem.safetensors").read_bytes(),
        "\n".join(guide_texts).encode(),
    ):
        digest.update(part)
    return digest.hexdigest()


def guided_hash(exits: str, guide_texts: Sequence[str]) -> str:
    """The hash of exits that decide by other guide texts than the general ones; "" where there are none to decide."""
    return hashlib.sha256("\n".join([exits, *guide_texts]).encode()).hexdigest() if exits else ""


def readouts_hash(modules: ExitModules) -> str:
    """SHA-256, in hex, of branches and projections alone: what an exit sees, whatever its gate makes of it."""
    digest = hashlib.sha256()
    parts: tuple[nn.Module, ...] = (modules.branches, modules.projections)
    for part in parts:
        for name, tensor in sorted(part.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.float().numpy().tobytes())
    return digest.hexdigest()
