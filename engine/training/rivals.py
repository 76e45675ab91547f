"""What `evaluate --rivals DIR` sets beside a model's gates: gates of other seeds, and those of the ablations.

A folder of rivals holds `NAME.safetensors`, each with the hash of the weights that it was fitted beside.
"""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from engine.exits.checkpoint import FittedExits
from engine.exits.encoder import Encoder, Identity
from engine.exits.loading import load_encoder
from engine.exits.text_bank import Embeddings
from engine.training.dataset import DataMissing
from engine.training.gates import SEED, fit_exits
from engine.training.recipe import AFFINITY_WEIGHT, gate_photo_sets
from engine.utils.atomic_files import write_whole
from engine.utils.errors import ModelUnreadable

SEEDS = (2, 3)  # the shipped gates' is the first
NO_TEXT = "no-text"  # gates that see nothing of the text bank
RANDOM_BANK = "random-bank"  # gates whose bank is random vectors


def train_rivals(data: Path, out: Path, model: str | None, say: Callable[[str], None]) -> None:
    """Fit gates of other seeds and of the ablations to a model's exits, and write them to a folder; those stay that are
    there already.

    Args: data: folder with `flickr8k` and `more_photos`.  model: as in `load_encoder`.
    Raises: DataMissing, ModelUnreadable.
    """
    encoder = load_encoder(model)
    out.mkdir(parents=True, exist_ok=True)
    for name, beside, blind in (
        ("seed", encoder, False),
        (NO_TEXT, encoder, True),
        (RANDOM_BANK, with_random_bank(encoder), False),
    ):
        there = load_rivals(out, encoder)
        wanted = [seed for seed in (1, *SEEDS) if f"{name}-{seed}" not in there and (name != "seed" or seed > 1)]
        if not wanted:
            continue
        sets = gate_photo_sets(beside, data, out / "training", say)
        for seed in wanted:
            fitted = fit_exits(beside, *sets, AFFINITY_WEIGHT, SEED + seed - 1, blind)
            save_gates(out / f"{name}-{seed}.safetensors", fitted, encoder.identity)
            say(f"gates {name}-{seed} written")


def with_random_bank(encoder: Encoder) -> Encoder:
    """An encoder whose bank is as many random unit vectors of the real one's mean and covariance."""
    vectors = encoder.bank.vectors
    draw = torch.Generator().manual_seed(SEED)
    spread = torch.linalg.cholesky(torch.cov(vectors.T) + 1e-6 * torch.eye(vectors.shape[1]))
    noise = torch.randn(vectors.shape, generator=draw)
    random = F.normalize(vectors.mean(0) + noise @ spread.T, dim=1)
    own = len(encoder.bank.texts)
    captions = None if encoder.bank.embeddings.captions is None else random[own:]
    return encoder.reading(replace(encoder.bank, embeddings=Embeddings(lambda: random[:own], captions)))


def load_rivals(folder: Path, encoder: Encoder) -> dict[str, FittedExits]:
    """Read a folder of rivals by name, of other seeds "NAME-2", "NAME-3"; those fitted beside others are left out.

    Raises: DataMissing where the folder is not there, ModelUnreadable where a file is damaged.
    """
    if not folder.is_dir():
        raise DataMissing(f"{folder} is not a folder; `train-rivals --out {folder}` makes it.")
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            gates = _gates(path, encoder)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise ModelUnreadable(f"{path} cannot be read; delete it, or make it again with train-rivals.") from error
        if gates is not None:
            found[path.stem] = gates
    return found


def save_gates(path: Path, fitted: FittedExits, beside: Identity) -> None:
    """Write gates that were fitted in another way; they share the readouts of the exits that they are fitted beside."""
    tensors: dict[str, Tensor] = {n: t.contiguous() for n, t in fitted.modules.gates.state_dict().items()}
    write_whole(path, save(tensors, {"beside": _name(beside), "log_prices": json.dumps(fitted.log_prices)}))


def _gates(path: Path, encoder: Encoder) -> FittedExits | None:
    with safe_open(path, framework="pt") as stored:
        about = stored.metadata()
        if about.get("beside") != _name(encoder.identity):
            return None
        modules = deepcopy(encoder.modules)
        modules.gates.load_state_dict({name: stored.get_tensor(name) for name in stored.keys()})  # noqa: SIM118
    return replace(encoder.fitted, modules=modules, log_prices=tuple(json.loads(about["log_prices"])))


def _name(identity: Identity) -> str:
    """What gates must be fitted beside to be compared: the same model and the same exits."""
    return f"{identity.weights} {identity.exits_hash}"
