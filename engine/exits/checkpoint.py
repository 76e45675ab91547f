"""Exit weights on disk: `tgem.json` and `tgem.safetensors`, beside the model's own weights."""

import hashlib
import json
import math
from collections.abc import Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from engine.clip.hub import Snapshot
from engine.clip.small_tower import LAST_MAP
from engine.exits.budget import BUDGET_GRID
from engine.exits.calibration import Calibration, calibrations
from engine.exits.certificate import remove_certificate
from engine.exits.modules import HEAD, Exit, ExitModules
from engine.utils.atomic_files import SHARED, write_whole
from engine.utils.errors import HostProblem, ModelUnreadable, on_disk
from engine.utils.memory import ran_out

if TYPE_CHECKING:
    from engine.clip.backbone import Backbone

DESCRIBED, STORED = "tgem.json", "tgem.safetensors"
WAITING = f"{STORED}.partial"  # tensors, until the description that names them is written
FORMAT = 4
REFERENCE = "reference.vectors"  # names of tensors, as the next two are
CAPTIONS, TEXTS = "captions", "texts"
UNUSED = "reference.leanings"  # of weights that were fitted before phrases went by leads
UNASKED = -30.0  # a logarithm of a price so low that nobody leaves
SMALLEST = 7_000_000  # bytes of the smallest trunk's tensors, which a smaller tower has at least
SOURCE = "source.json"  # where exit weights that are not of this machine came from


@dataclass(frozen=True)
class FittedExits:
    """All that fitting gives: modules, and how they are used."""

    modules: ExitModules
    log_prices: tuple[float, ...]  # logarithm of lambda for each budget of BUDGET_GRID
    calibrations: tuple[Calibration, ...]  # of the scores at each exit, the last one exact
    affinity_weight: float = 0.0  # what a photo's affinity to the text bank lowers its scores by
    usual_affinity: float = 0.0  # of photos in general
    reference: Tensor | None = None  # (R, K - 1, D) photos that prices are found on where phrases are named
    captions: Tensor | None = None  # (C, D) embeddings that stand in the text bank behind those of its texts
    texts: Tensor | None = None  # (N, D) embeddings of its texts, so that no start has to make them
    texts_hash: str = ""  # of those texts, by `texts_hash`


def unfitted(modules: ExitModules) -> FittedExits:
    """Exits whose gates are still to be fitted: nobody leaves."""
    return FittedExits(modules, (UNASKED,) * len(BUDGET_GRID), calibrations(len(modules.exits) + 1))


def save_exits(folder: Path, fitted: FittedExits, weights: str, model: str = "") -> None:
    """Write a model's exits, `as_stored`; the two files name each other, so halves never mix.

    Args: weights: the model's hash.  model: its name, for a reader.
    """
    tensors = {name: _kept(t).contiguous() for name, t in fitted.modules.state_dict().items()}
    beside = {REFERENCE: fitted.reference, CAPTIONS: fitted.captions, TEXTS: fitted.texts}
    tensors |= {name: t.half().contiguous() for name, t in beside.items() if t is not None}
    stored = save(tensors)
    digest = hashlib.sha256(stored).hexdigest()
    about = {
        "format": FORMAT,
        "model": model,
        "weights": weights,
        "modules": digest,
        "exits": fitted.modules.describe(),
        "joined": fitted.modules.last is not None,
        "log_prices": {f"{budget:.2f}": price for budget, price in zip(BUDGET_GRID, fitted.log_prices, strict=True)},
        "calibrations": [asdict(calibration) for calibration in fitted.calibrations],
        "affinity_weight": fitted.affinity_weight,
        "usual_affinity": fitted.usual_affinity,
        "texts": fitted.texts_hash,
    }
    _write(folder, (json.dumps(about, indent=2) + "\n").encode(), stored, digest)
    (folder / SOURCE).unlink(missing_ok=True)


def remove_exits(folder: Path) -> None:
    """Take a model's exits away, and the certificate of what they gave: it runs to full depth from now on."""
    remove_certificate(folder)
    with suppress(FileNotFoundError):
        (folder / STORED).replace(folder / WAITING)  # from where a sudden death has them put back
    for name in (DESCRIBED, WAITING, SOURCE):
        (folder / name).unlink(missing_ok=True)


def as_stored(modules: ExitModules) -> ExitModules:
    """A copy of exit modules as they come back from storage."""
    found = deepcopy(modules)
    found.load_state_dict({name: _kept(t) for name, t in modules.state_dict().items()})
    return found


def _kept(tensor: Tensor) -> Tensor:
    """Matrices in float16; biases are few, and the sum of what they make up for is large."""
    return tensor.half() if tensor.dim() > 1 else tensor


def load_exits(folder: Path, backbone: "Backbone", weights: str) -> FittedExits | None:
    """The exits beside a model, or None where there are none.

    Raises: ModelUnreadable where they are damaged, of another edition, or belong to other weights.
    """
    described, stored = folder / DESCRIBED, folder / STORED
    if not described.is_file() and not stored.is_file():
        return None
    try:
        about = json.loads(described.read_text(encoding="utf-8"))
        if about["format"] != FORMAT:
            if isinstance(about["format"], int) and about["format"] > FORMAT:
                raise ModelUnreadable(
                    f"The exit weights in {folder} are of a later edition; upgrade the program with `git pull`."
                )
            raise ModelUnreadable(f"The exit weights in {folder} are of an earlier edition; fit them again.")
        _settle(folder, about["modules"])
        data = stored.read_bytes()
        if about["weights"] != weights:
            raise ModelUnreadable(
                f"The exit weights in {folder} were fitted on other weights of the model; fit them again."
            )
        exits, joined = _exits(about["exits"], backbone, len(data)), about["joined"] is True
        if joined and not exits:
            raise ValueError("there is no exit before the last that it could be joined with")
        modules, tensors = ExitModules(exits, backbone.dim, joined), load(data)
        reference, captions, texts, _ = (tensors.pop(name, None) for name in (REFERENCE, CAPTIONS, TEXTS, UNUSED))
        modules.load_state_dict(tensors)
        prices = tuple(_number(about["log_prices"][f"{budget:.2f}"]) for budget in BUDGET_GRID)
        calibrations = tuple(Calibration(**{name: _number(row[name]) for name in row}) for row in about["calibrations"])
        if len(calibrations) != len(exits) + 1 or any(c.deviation < 0 for c in calibrations):
            raise ValueError("a calibration for each exit")
        if reference is not None and (not len(reference) or reference.shape[1:] != (len(exits), backbone.dim)):
            raise ValueError("photos of reference that other exits have seen")
        if any(t is not None and (t.dim() != 2 or t.shape[1] != backbone.dim) for t in (captions, texts)):
            raise ValueError("texts of another width")
        weight, usual = (_number(about[name]) for name in ("affinity_weight", "usual_affinity"))
        hashed = str(about["texts"])
        whole = about["modules"] == hashlib.sha256(data).hexdigest()
    except (OSError, ValueError, ArithmeticError, LookupError, TypeError, RuntimeError, SafetensorError) as error:
        if ran_out(error):
            raise
        raise ModelUnreadable(
            f"The exit weights in {folder} cannot be read; restore tgem.json and tgem.safetensors, or make them anew."
        ) from error
    if not whole:
        raise ModelUnreadable(f"tgem.json and tgem.safetensors in {folder} are not of one piece; restore both.")
    return FittedExits(modules, prices, calibrations, weight, usual, reference, captions, texts, hashed)


def _exits(rows: list[dict[str, Any]], backbone: "Backbone", stored: int) -> list[Exit]:
    """The exits that `tgem.json` tells of, which may be a stranger's; raises ValueError where they make no ladder.

    Args: stored: bytes of the tensors; exits that would need more than there are would only take memory.
    """
    order = [stage.name for stage in backbone.tower.stages]
    exits = [Exit(**row) for row in rows]
    for exit in exits:
        if (type(exit.stage), type(exit.seen), type(exit.tower), type(exit.size)) != (str, int, str, int):
            raise ValueError(f"{exit} has a field of another kind")
        if exit.tower:
            fits = exit.tower in LAST_MAP and exit.stage == HEAD and 32 <= exit.size <= backbone.size
        else:
            fits = exit.stage in order and exit.size == 0
        if not fits or exit.seen != _width_seen(exit, backbone, order):
            raise ValueError(f"{exit} is of a pass that there is not")
    small = sum(bool(exit.tower) for exit in exits)
    if any(exit.tower for exit in exits[small:]):
        raise ValueError("passes in no order")
    places = [order.index(exit.stage) for exit in exits[small:]]
    if sorted(set(places)) != places:
        raise ValueError("exits in no order")
    if small * SMALLEST > stored:
        raise ValueError("towers that have no tensors")
    return exits


def _width_seen(exit: Exit, backbone: "Backbone", order: Sequence[str]) -> int:
    """How many features are seen at an exit."""
    if exit.tower:
        return backbone.dim + 2 * LAST_MAP[exit.tower]
    state = torch.zeros(backbone.shapes[order.index(exit.stage)], device=backbone.device)
    return backbone.tower.pooled(state).shape[1]


def _number(value: object) -> float:
    """A finite number of a description; raises ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def install_exits(snapshot: Snapshot, folder: Path, backbone: "Backbone", weights: str) -> FittedExits:
    """Take exit weights from the Hub into a model's folder, pinned to their commit.

    Raises: ModelUnreadable where they are damaged or belong to other weights; nothing is written then. HostProblem
        where they cannot be kept.
    """
    try:
        found = load_exits(snapshot.folder, backbone, weights)
    except ModelUnreadable as error:
        raise ModelUnreadable(
            f"The exit weights in the Hub repository {snapshot.repo} are not for this model, or damaged."
        ) from error
    assert found is not None  # both files were fetched
    described, stored = ((snapshot.folder / name).read_bytes() for name in (DESCRIBED, STORED))
    source = json.dumps({"repo": snapshot.repo, "commit": snapshot.commit}).encode()
    try:
        _write(folder, described, stored, json.loads(described)["modules"])
        write_whole(folder / SOURCE, source, SHARED)
    except OSError as error:
        raise HostProblem(
            f"The exit weights of {snapshot.repo} cannot be kept in {folder} ({on_disk(error)}); make room there, or "
            "let the program write to it."
        ) from error
    return found


def _write(folder: Path, described: bytes, stored: bytes, digest: str) -> None:
    """Put exits in the place of those before: the change is made when `tgem.json` is, which names its tensors."""
    remove_certificate(folder)
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


def texts_hash(texts: Sequence[str]) -> str:
    """SHA-256, in hex, of the texts of a bank."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def exits_hash(folder: Path, texts: Sequence[str]) -> str:
    """SHA-256, in hex, of what decides where a photo leaves: both files, their commit, and the text bank."""
    digest = hashlib.sha256()
    for part in (
        (folder / DESCRIBED).read_bytes(),
        (folder / STORED).read_bytes(),
        "\n".join(texts).encode(),
        source_of(folder).encode(),
    ):
        digest.update(part)
    return digest.hexdigest()


def looking_hash(of_exits: str, phrases: Sequence[str]) -> str:
    """The hash of exits that go by what people will look for; "" where there are none to decide."""
    return hashlib.sha256("\n".join([of_exits, *phrases]).encode()).hexdigest() if of_exits else ""


def sight_hash(modules: ExitModules) -> str:
    """SHA-256, in hex, of what is seen of a photo at the exits: where they stand, and the smaller towers.

    Whatever reads it then leaves the hash as it is.
    """
    digest = hashlib.sha256(json.dumps(modules.describe()).encode())
    for name, tensor in sorted(modules.towers.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.float().numpy().tobytes())
    return digest.hexdigest()
