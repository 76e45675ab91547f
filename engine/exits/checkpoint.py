"""Exit weights on disk: `tgem.json` and `tgem.safetensors`, beside the model's own weights."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import asdict, dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from engine.clip.backbone import Backbone, ModelUnreadable
from engine.clip.hub import Snapshot
from engine.exits.budget import BUDGET_GRID, Plan
from engine.exits.calibration import Calibration, calibrations
from engine.exits.modules import HEAD, Exit, ExitModules
from engine.utils.atomic_files import SHARED, write_whole

DESCRIBED, STORED = "tgem.json", "tgem.safetensors"
WAITING = f"{STORED}.partial"  # tensors, until the description that names them is written
SOURCE = "source.json"  # where exit weights that are not of this machine came from


@dataclass(frozen=True)
class FittedExits:
    """All that fitting gives: modules, and how they are used."""

    modules: ExitModules
    plans: tuple[Plan, ...]  # one for each budget of BUDGET_GRID
    calibrations: tuple[Calibration, ...]  # of the scores at each exit, the last one exact


def unfitted(modules: ExitModules) -> FittedExits:
    """Exits whose gates are still to be fitted: none is ever asked."""
    return FittedExits(modules, tuple(Plan((), 0.0) for _ in BUDGET_GRID), calibrations(len(modules.exits) + 1))


def save_exits(folder: Path, exits: FittedExits, weights: str, model: str = "") -> None:
    """Write a model's exits, `as_stored`; the two files name each other, so halves never mix.

    Args: weights: the model's hash.  model: its name, for a reader.
    """
    stored = save({name: _kept(t).contiguous() for name, t in exits.modules.state_dict().items()})
    digest = hashlib.sha256(stored).hexdigest()
    about = {
        "format": 3,
        "model": model,
        "weights": weights,
        "modules": digest,
        "exits": exits.modules.describe(),
        "plans": {f"{budget:.2f}": asdict(plan) for budget, plan in zip(BUDGET_GRID, exits.plans, strict=True)},
        "calibrations": [asdict(calibration) for calibration in exits.calibrations],
    }
    _write(folder, (json.dumps(about, indent=2) + "\n").encode(), stored, digest)
    (folder / SOURCE).unlink(missing_ok=True)


def as_stored(modules: ExitModules) -> ExitModules:
    """A copy of exit modules as they come back from storage."""
    found = deepcopy(modules)
    found.load_state_dict({name: _kept(t) for name, t in modules.state_dict().items()})
    return found


def _kept(tensor: Tensor) -> Tensor:
    """Matrices in float16; biases are few, and the sum of what they make up for is large."""
    return tensor.half() if tensor.dim() > 1 else tensor


def load_exits(folder: Path, backbone: Backbone, weights: str) -> FittedExits | None:
    """The exits beside a model, or None where there are none.

    Raises: ModelUnreadable where they are damaged or belong to other weights.
    """
    described, stored = folder / DESCRIBED, folder / STORED
    if not described.is_file() and not stored.is_file():
        return None
    try:
        about = json.loads(described.read_text(encoding="utf-8"))
        _settle(folder, about["modules"])
        data = stored.read_bytes()
        modules = ExitModules(_ladder(about["exits"], backbone, len(data)), backbone.dim)
        modules.load_state_dict(load(data))
        stored_plans = [about["plans"][f"{budget:.2f}"] for budget in BUDGET_GRID]
        plans = tuple(Plan(tuple(plan["open"]), float(plan["price"])) for plan in stored_plans)
        calibrations = tuple(Calibration(**row) for row in about["calibrations"])
        if len(calibrations) != len(modules.exits) + 1:
            raise ValueError("a calibration for each exit")
        fitted_on = about["weights"]
        whole = about["modules"] == hashlib.sha256(data).hexdigest()
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise ModelUnreadable(
            f"The exit weights in {folder} cannot be read; restore tgem.json and tgem.safetensors, or make them anew."
        ) from error
    if not whole:
        raise ModelUnreadable(f"tgem.json and tgem.safetensors in {folder} are not of one piece; restore both.")
    if fitted_on != weights:
        raise ModelUnreadable(
            f"The exit weights in {folder} were fitted on other weights of the model; fit them again."
        )
    return FittedExits(modules, plans, calibrations)


def _ladder(rows: list[dict[str, Any]], backbone: Backbone, stored: int) -> list[Exit]:
    """The exits that `tgem.json` tells of, which may be a stranger's; raises ValueError where they make no ladder.

    Args: stored: bytes of the tensors; exits that would need more than there are would only take memory.
    """
    own, order = backbone.size, [*(step.name for step in backbone.tower.steps), HEAD]
    exits, places = [Exit(**row) for row in rows], []
    for exit in exits:
        numbers = (exit.pooled, exit.channels, exit.stride, exit.size)
        if type(exit.scout) is not bool or any(type(n) is not int or not 0 <= n <= stored for n in numbers):
            raise ValueError(f"{exit} has a field of another kind")
        size, ends = exit.size or own, exit.stage == HEAD
        whole = size == own and not exit.scout
        able = ends and exit.size > 0 if exit.scout else whole or backbone.reads_any_size
        if size > own or (whole and ends) or not able:
            raise ValueError(f"{exit} is of a pass that there is not")
        places.append(((size, exit.scout), order.index(exit.stage)))
    runs = [run for run, _ in groupby(run for run, _ in places)]
    if len(set(runs)) < len(runs) or (own, False) in runs[:-1]:
        raise ValueError("passes in no order")
    if any(one[0] == other[0] and one[1] >= other[1] for one, other in pairwise(places)):
        raise ValueError("exits in no order")
    if sum(exit.pooled for exit in exits) * backbone.dim > stored:
        raise ValueError("exits that have no tensors")
    return exits


def install_exits(snapshot: Snapshot, folder: Path, backbone: Backbone, weights: str) -> FittedExits:
    """Take exit weights from the Hub into a model's folder, pinned to their commit.

    Raises: ModelUnreadable where they are damaged or belong to other weights; nothing is written then.
    """
    try:
        found = load_exits(snapshot.folder, backbone, weights)
    except ModelUnreadable as error:
        raise ModelUnreadable(
            f"The exit weights in the Hub repository {snapshot.repo} are not for this model, or damaged."
        ) from error
    assert found is not None  # both files were fetched
    described, stored = ((snapshot.folder / name).read_bytes() for name in (DESCRIBED, STORED))
    _write(folder, described, stored, json.loads(described)["modules"])
    write_whole(folder / SOURCE, json.dumps({"repo": snapshot.repo, "commit": snapshot.commit}).encode(), SHARED)
    return found


def _write(folder: Path, described: bytes, stored: bytes, digest: str) -> None:
    """Put exits in the place of those before: the change is made when `tgem.json` is, which names its tensors."""
    write_whole(folder / WAITING, stored, SHARED)
    write_whole(folder / DESCRIBED, described, SHARED)
    _settle(folder, digest)


def _settle(folder: Path, digest: str) -> None:
    """Put tensors in their place that a sudden death has kept from it."""
    waiting = folder / WAITING
    with suppress(FileNotFoundError):  # none wait, as a rule; or another process was faster
        if hashlib.sha256(waiting.read_bytes()).hexdigest() == digest:
            waiting.replace(folder / STORED)


def source_of(folder: Path) -> str:
    """Where exit weights came from, as REPO@COMMIT; "" for those fitted here."""
    try:
        source = json.loads((folder / SOURCE).read_text(encoding="utf-8"))
        return f"{source['repo']}@{source['commit']}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def exits_hash(folder: Path, guide_texts: Sequence[str]) -> str:
    """SHA-256, in hex, of what decides where a photo leaves: both files, their commit, and the guide texts."""
    digest = hashlib.sha256()
    for part in (
        (folder / DESCRIBED).read_bytes(),
        (folder / STORED).read_bytes(),
        "\n".join(guide_texts).encode(),
        source_of(folder).encode(),
    ):
        digest.update(part)
    return digest.hexdigest()


def guided_hash(exits: str, guide_texts: Sequence[str], owner_texts: Sequence[str]) -> str:
    """The hash of exits that decide by what an owner has said; "" where there are none to decide."""
    said = "\n".join([exits, *guide_texts, "", *owner_texts])
    return hashlib.sha256(said.encode()).hexdigest() if exits else ""


def sight_hash(modules: ExitModules) -> str:
    """SHA-256, in hex, of what exits see of a photo: where they stand, their branches and the scout.

    Whatever reads it then leaves the hash as it is.
    """
    digest = hashlib.sha256(json.dumps(modules.describe()).encode())
    scout = {} if modules.scout is None else modules.scout.state_dict()
    for name, tensor in sorted([*modules.branches.state_dict().items(), *scout.items()]):
        digest.update(name.encode())
        digest.update(tensor.float().numpy().tobytes())
    return digest.hexdigest()
