"""Aligns what exits say with texts, on photos that no tower saw.

Passes and joins were trained on photos that they fit better than others. A linear map over each exit's embedding, near
to doing nothing, is fitted to others, and folded into the exit's readout: it costs no MACs. And what the last pass says
has grown so long while it learned that what was said before it hardly counts; on other photos it should.
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.exits.modules import ExitModules
from engine.training.features import Features
from engine.training.objective import contrastive
from engine.training.readouts import captions_of
from engine.training.trainer import fit_one_cycle

STEPS, RATE = 120, 1e-3
NEARNESS = 0.1  # weight of a map's squares; chosen on val sets
THE_SAME = 0.98  # cosine of texts that say the same
BEFORE = 20.0  # of what was said before the last pass, whose own words are some 32 long; chosen on val sets
SEED = 2605


def align(modules: ExitModules, features: Features, logit_scale: float) -> ExitModules:
    """A copy of a joined ladder whose exits, the last one too, fit the texts of photos better.

    Args: features: of photos that no tower saw, as the modules read them; each photo has a text or more.
    """
    maps = [fit_map(v, features.texts, features.owner, logit_scale) for v in features.vectors.unbind(1)]
    return folded(modules, maps)


def fit_map(vectors: Tensor, texts: Tensor, owner: Tensor, logit_scale: float) -> Tensor:
    """(D, D) A map M near the identity, by which unit(M v) fits the texts of its photo.

    Args:
        vectors: (N, D), unit length.  texts: (T, D), in the order of their photos.
        owner: (T,) photo of each text; every photo has one or more.
        logit_scale: what cosines are multiplied by.
    """
    draw = torch.Generator().manual_seed(SEED)
    change = nn.Linear(vectors.shape[1], vectors.shape[1], bias=False)
    nn.init.zeros_(change.weight)
    firsts, counts = captions_of(owner, len(vectors))

    def loss_of(_: int) -> Tensor:
        said = texts[firsts + (torch.rand(len(vectors), generator=draw) * counts).long()]  # one of each photo's
        same = (said @ said.T > THE_SAME).float()
        same = same / same.sum(1, keepdim=True)
        found = contrastive(logit_scale * F.normalize(vectors + change(vectors), dim=1) @ said.T, (same, same.T))
        return found + NEARNESS * change.weight.square().sum()

    rates: list[dict[str, Any]] = [{"params": [change.weight], "lr": RATE}]
    fit_one_cycle(change, rates, STEPS, loss_of, weight_decay=0.0)
    return torch.eye(vectors.shape[1]) + change.weight.detach()


@torch.no_grad()
def folded(modules: ExitModules, maps: Sequence[Tensor]) -> ExitModules:
    """A copy of a joined ladder whose readouts say what maps, (D, D) for each exit, make of what the readouts say.

    What an exit says is also read at the next one, where the map is undone: that one has a map of its own.
    """
    found = deepcopy(modules)
    before: Tensor | None = None
    for readout, change in zip([*found.readouts, found.last], maps, strict=True):
        assert isinstance(readout, nn.Linear)
        if before is not None:
            readout.weight[:, : modules.dim] = readout.weight[:, : modules.dim] @ torch.linalg.inv(before)
        readout.weight.copy_(change @ readout.weight)
        readout.bias.copy_(change @ readout.bias)
        before = change
    return found.eval().requires_grad_(False)


@torch.no_grad()
def recalling(modules: ExitModules, length: float = BEFORE) -> ExitModules:
    """A copy of a joined ladder whose last exit also adds the embedding before it, at this length.

    The second exit finds less that way.
    """
    found = deepcopy(modules)
    assert isinstance(found.last, nn.Linear)
    found.last.weight[:, : modules.dim] += length * torch.eye(modules.dim)
    return found.eval().requires_grad_(False)
