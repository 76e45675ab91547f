"""What `evaluate --rivals DIR` sets beside a model: a smaller model, and gates of other seeds and of the ablations.

A folder of rivals holds `small-model.safetensors` and `gates/NAME.safetensors`, each with the hash of the weights that
it was trained beside.
"""

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from engine.clip.backbone import ModelUnreadable
from engine.clip.small_tower import TRUNK, scout_tower
from engine.exits.budget import Plan
from engine.exits.calibration import Calibration
from engine.exits.checkpoint import FittedExits
from engine.exits.encoder import Encoder, Identity
from engine.exits.loading import assembled, load_encoder
from engine.training.dataset import DataMissing
from engine.training.gates import (
    SEED,
    fit_exits,
    gate_features,
    loss_by_captions,
    loss_without_captions,
)
from engine.training.rival_model import train_small
from engine.utils.atomic_files import write_whole

SMALL_MODEL, GATES = "small-model.safetensors", "gates"
SEEDS = (2, 3)  # the shipped gates' is the first
NO_GUIDE_TEXTS = "no-guide-texts"  # gates that see nothing of the guide texts
SHUFFLED_GUIDE_TEXTS = "shuffled-guide-texts"  # gates whose guide texts mean nothing
STEPS = 420  # of the smaller model
Found = TypeVar("Found")


@dataclass(frozen=True)
class Rivals:
    """What a model is compared with."""

    small_model: Encoder | None = None  # without exits; takes photos as the model's `preprocess` gives them
    gates: dict[str, FittedExits] = field(default_factory=dict)  # by name


def train_rivals(
    data: Path,
    out: Path,
    model: str | None = None,
    steps: int = STEPS,
    resume: bool = False,
    say: Callable[[str], None] = print,
) -> None:
    """Train a model's rivals and write them to a folder.

    Args:
        data: folder with `flickr8k` and `imagenet_samples`.
        out: the folder of rivals; checkpoints, the log and cached features go to `training` in it.
        model: as in `load_encoder`.
        steps: of the smaller model; a step is 200 photos.
        resume: go on from the smaller model's last checkpoint.
    Raises: DataMissing, IngredientMissing, ModelUnreadable.
    """
    encoder = load_encoder(model)
    work = out / "training"
    work.mkdir(parents=True, exist_ok=True)
    fit_other_gates(encoder, data / "flickr8k", out, work, say)
    save_small_model(out, train_small(encoder, data, work, steps, resume, say), encoder.identity.weights)
    say(f"rivals written to {out}")


def fit_other_gates(encoder: Encoder, data: Path, out: Path, work: Path, say: Callable[[str], None]) -> None:
    """Fit gates of other seeds and of the ablations to a model's exits, and write them to a folder of rivals."""
    photos, around, val = gate_features(encoder, data, work, say)
    loss = loss_by_captions(encoder, photos, around)
    nonsense = encoder.guided_by(shuffled(encoder.guide_texts))
    nonsense_loss = loss_by_captions(nonsense, photos, around)
    without_captions = loss_without_captions(encoder, photos)
    makers: dict[str, Callable[[], FittedExits]] = {
        **{f"seed-{n}": lambda n=n: fit_exits(encoder, photos, val, loss, SEED + n - 1) for n in SEEDS},  # type: ignore[misc]
        "no-captions": lambda: fit_exits(encoder, photos, val, without_captions, SEED, captioned=False),
        NO_GUIDE_TEXTS: lambda: fit_exits(encoder, photos, val, loss, SEED, blind=True),
        SHUFFLED_GUIDE_TEXTS: lambda: fit_exits(nonsense, photos, val, nonsense_loss, SEED),
    }
    for name, make in makers.items():
        save_gates(out, name, make(), encoder.identity.weights)
        say(f"gates {name} written")


def shuffled(texts: Sequence[str], seed: int = SEED) -> list[str]:
    """As many phrases of the same words in another order: guide texts that mean nothing."""
    words = [word for text in texts for word in text.split()]
    order = torch.randperm(len(words), generator=torch.Generator().manual_seed(seed)).tolist()
    dealt = iter([words[place] for place in order])
    return [" ".join(next(dealt) for _ in text.split()) for text in texts]


def load_rivals(folder: Path, encoder: Encoder) -> Rivals:
    """Read a folder of rivals; those trained beside other weights are left out.

    Raises: DataMissing where the folder is not there, ModelUnreadable where a file is damaged.
    """
    if not folder.is_dir():
        raise DataMissing(f"{folder} is not a folder; `train-rivals --out {folder}` makes it.")
    own = FittedExits(encoder.modules, encoder.plans, encoder.calibrations)
    gates = {}
    for path in sorted((folder / GATES).glob("*.safetensors")):
        if (found := _load(path, lambda path: _gates(path, own, encoder.identity.weights))) is not None:
            gates[path.stem] = found
    small = folder / SMALL_MODEL
    return Rivals(_load(small, lambda path: _small_model(path, encoder)) if small.is_file() else None, gates)


def save_gates(folder: Path, name: str, exits: FittedExits, weights: str) -> None:
    """Write gates and query gates that were fitted in another way; they share the readouts of the model's exits."""
    tensors = {n: t.half().contiguous() for n, t in exits.modules.state_dict().items() if "gates." in n}
    about = {
        "weights": weights,
        "plans": json.dumps([asdict(plan) for plan in exits.plans]),
        "calibrations": json.dumps([asdict(calibration) for calibration in exits.calibrations]),
    }
    write_whole(folder / GATES / f"{name}.safetensors", save(tensors, about))


def save_small_model(folder: Path, visual: nn.Module, weights: str) -> None:
    """Write the smaller model's image tower in float16."""
    tensors = {n: t.half() if t.is_floating_point() else t for n, t in visual.state_dict().items()}
    stored = save({n: t.contiguous() for n, t in tensors.items()}, {"weights": weights})
    write_whole(folder / SMALL_MODEL, stored)


def _load(path: Path, read: Callable[[Path], Found]) -> Found:
    try:
        return read(path)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise ModelUnreadable(f"{path} cannot be read; delete it, or make it again with train-rivals.") from error


def _gates(path: Path, own: FittedExits, weights: str) -> FittedExits | None:
    with safe_open(path, framework="pt") as stored:
        about = stored.metadata()
        if about["weights"] != weights:
            return None
        modules = deepcopy(own.modules)
        modules.load_state_dict({name: stored.get_tensor(name).float() for name in stored.keys()}, strict=False)  # noqa: SIM118
    plans = tuple(Plan(tuple(row["open"]), row["price"]) for row in json.loads(about["plans"]))
    return FittedExits(modules, plans, tuple(Calibration(**row) for row in json.loads(about["calibrations"])))


def _small_model(path: Path, beside: Encoder) -> Encoder | None:
    visual = scout_tower(beside.dim)
    with safe_open(path, framework="pt") as stored:
        if stored.metadata()["weights"] != beside.identity.weights:
            return None
        visual.load_state_dict({name: stored.get_tensor(name).float() for name in stored.keys()})  # noqa: SIM118
    backbone = beside.backbone.seeing_through(visual, f"{beside.backbone.name}, {TRUNK}")
    identity = Identity(backbone.name, beside.identity.weights, "", beside.precision)
    return assembled(backbone, None, identity, (), beside.folder)
