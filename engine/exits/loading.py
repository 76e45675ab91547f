"""Loads an encoder: a model, its exits where there are some, and the precision that it runs at."""

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.clip.backbone import Backbone
from engine.clip.device import best_device
from engine.clip.factory import Loaded, load_model
from engine.clip.hub import HubUnreachable, fetch_exits
from engine.exits.checkpoint import FittedExits, exits_hash, install_exits, load_exits, unfitted
from engine.exits.encoder import Encoder, Identity
from engine.exits.modules import ExitModules
from engine.exits.runner import PassRunner, Towers
from engine.exits.text_bank import TextBank, embedded, read_guide_texts
from engine.utils.memory import keep_freed_memory

TRIES = 3  # of each precision, before one is chosen
SAME = 0.99  # cosine of an embedding in bfloat16 to that in float32, below which the ranking might suffer


def load_encoder(model: str | None = None, precision: str | None = None, exits: bool = True) -> Encoder:
    """The encoder of a model, with its exits where there are some.

    Args:
        model: its name, as `load_model` takes it; None is the embedded one.
        precision: "float32" or "bfloat16"; None measures which is faster here.
        exits: whether to look for exit weights; without them every photo runs to full depth.
    Raises: ModelUnreadable, HubUnreachable, HubMissing.
    """
    keep_freed_memory()
    loaded = load_model(model)
    backbone, guide_texts = loaded.backbone, read_guide_texts()
    backbone.to(best_device())
    found = _exits(loaded) if exits else None
    identity = Identity(loaded.name, loaded.weights, exits_hash(loaded.folder, guide_texts) if found else "")
    if precision is None:
        precision = "bfloat16" if _bfloat16_pays(backbone) else "float32"
    embed = partial(embedded, backbone, loaded.weights)
    return assembled(backbone, found, identity, guide_texts, loaded.folder, precision, embed)


def assembled(
    backbone: Backbone,
    fitted: FittedExits | None,
    identity: Identity,
    guide_texts: Sequence[str],
    folder: Path,
    precision: str = "float32",
    embed: Callable[[Sequence[str]], Tensor] | None = None,
) -> Encoder:
    """An encoder of its parts.

    Args:
        fitted: None: no exits but full depth.
        embed: how the guide texts get their embeddings; by default the text tower makes them.
    """
    runner = PassRunner(Towers(backbone, precision), fitted or unfitted(ExitModules([], backbone.dim)))
    encode_text = backbone.encode_text
    return Encoder(runner, TextBank(tuple(guide_texts), embed or encode_text), identity, folder)


def _exits(loaded: Loaded) -> FittedExits | None:
    """The exits of a model: those kept here, or else those in the Hub repository that the model came from."""
    found = load_exits(loaded.folder, loaded.backbone, loaded.weights)
    if found is not None or loaded.repo is None:
        return found
    try:
        snapshot = fetch_exits(loaded.repo)
    except HubUnreachable:  # the model is here already, and runs without
        return None
    return install_exits(snapshot, loaded.folder, loaded.backbone, loaded.weights) if snapshot else None


@torch.inference_mode()
def _bfloat16_pays(backbone: Backbone) -> bool:
    """Whether bfloat16 is clearly faster here than float32, and gives the same embeddings."""
    quick = backbone.quick_tower()
    if quick is None:
        return False
    towers = (quick, backbone.fused_tower(torch.float32) or backbone.tower)
    pixels = torch.randn(4, 3, backbone.size, backbone.size, generator=torch.Generator().manual_seed(0))
    pixels, states = pixels.to(backbone.device), [torch.empty(0)] * len(towers)
    seconds = [math.inf] * len(towers)
    for _ in range(TRIES):  # in turns: what else the machine has to do then slows both
        for place, tower in enumerate(towers):
            began = time.perf_counter()
            state = pixels
            for step in tower.steps:
                state = step.run(state)
            states[place] = tower.finish(state).float().cpu()
            seconds[place] = min(seconds[place], time.perf_counter() - began)
    agrees = bool((F.cosine_similarity(states[0], states[1]) > SAME).all())
    return agrees and seconds[0] < 0.9 * seconds[1]
