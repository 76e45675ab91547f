"""Readouts of a model that was not trained with exits: places the exits, and trains each to predict full depth."""

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from engine.clip.backbone import Backbone
from engine.exits.modules import HEAD, Exit, ExitModules
from engine.training.objective import contrastive, distil
from engine.training.trainer import fit_one_cycle

EARLIEST = 0.25  # share of the MACs before which no exit stands: a readout there knows colours, and little else
MOST = 8  # exits; what is seen at each one is kept for every photo while fitting
BATCH, EPOCHS = 256, 60
FEWEST_STEPS, MOST_STEPS = 200, 1200
PACE = 0.2  # how far a step of Adam may move an output, whatever the number of its inputs
CLOSENESS = 10.0  # weight of the cosine to the model's own embedding
SEED = 2605


def choose_exits(backbone: Backbone) -> list[Exit]:
    """An exit after every stage but the last from a quarter of the MACs on; where those are many, an even few."""
    shares = np.cumsum(backbone.stage_macs)[:-2] / sum(backbone.stage_macs)
    able = np.flatnonzero(shares >= EARLIEST)
    if len(able) > MOST:
        wanted = np.linspace(shares[able[0]], shares[able[-1]], MOST)
        able = np.unique([able[np.abs(shares[able] - share).argmin()] for share in wanted])
    tower, shapes = backbone.tower, backbone.shapes
    return [Exit(tower.stages[i].name, tower.pooled(torch.zeros(shapes[i])).shape[1]) for i in able.tolist()]


def readout_loss(vectors: Tensor, final: Tensor, texts: Tensor, own: Tensor | None, logit_scale: float) -> Tensor:
    """How far an exit's embeddings are from saying what full depth says, and what the captions say; a scalar.

    Distillation, in the crowd of texts and in that of the other photos, and closeness to the embedding itself; with
    captions, the contrastive loss of CLIP besides.

    Args:
        vectors: (B, D) at the exit.  final: (B, D) at full depth.  texts: (T, D); all of unit length.
        own: (B, T) bool, at least one True a row and a column: the text is of the photo; None: texts of no photo.
        logit_scale: what cosines are multiplied by.
    """
    said = logit_scale * vectors @ texts.T
    loss = distil(said, logit_scale * final @ texts.T)
    loss = loss + distil(logit_scale * vectors @ final.T, logit_scale * final @ final.T)
    loss = loss + CLOSENESS * (1 - (vectors * final).sum(1)).mean()
    if own is not None:
        right = own.to(said.dtype)
        loss = loss + contrastive(said, (right / right.sum(1, keepdim=True), right / right.sum(0)))
    return loss


def fit_readouts(
    exits: Sequence[Exit],
    seen: Sequence[Tensor],
    final: Tensor,
    texts: Tensor,
    owner: Tensor | None,
    logit_scale: float,
    on_step: Callable[[int, int], object] = lambda done, total: None,
) -> ExitModules:
    """Exit modules whose readouts are trained on cached features; their gates are as they are made.

    Args:
        seen: K - 1 of (N, F_k), may be mapped from disk.  final: (N, D) at full depth.
        texts: (T, D) captions, or texts of the bank.  owner: (T,) photo of each caption, those without one teach
            nothing; None: texts are of no photo.
        on_step: told how many steps of how many are done.
    """
    draw = torch.Generator().manual_seed(SEED)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        modules = ExitModules(exits, final.shape[1])
    _say_on(modules)
    scale = [_scale(e, features) for e, features in zip(exits, seen, strict=True)]
    total = max(FEWEST_STEPS, min(MOST_STEPS, EPOCHS * len(final) // BATCH))
    rates = [{"params": [*p.parameters()], "lr": PACE / int(p.weight.shape[1])} for p in _linear(modules)]
    firsts, counts = captions_of(owner, len(final)) if owner is not None else (None, None)
    taught = torch.arange(len(final)) if counts is None else counts.nonzero()[:, 0]

    def loss_of(_: int) -> Tensor:
        rows = taught[torch.randperm(len(taught), generator=draw)[:BATCH].sort().values]
        shown, own = texts, None
        if firsts is not None and counts is not None:
            chosen = firsts[rows] + (torch.rand(len(rows), generator=draw) * counts[rows]).long()
            shown, own = texts[chosen], torch.eye(len(rows), dtype=torch.bool)
        loss, before = torch.zeros(()), None
        for k, (features, (mean, spread)) in enumerate(zip(seen, scale, strict=True)):
            vectors = modules.read(k, (features[rows] - mean) / spread, before)
            loss = loss + readout_loss(vectors, final[rows], shown, own, logit_scale)
            before = vectors.detach()  # each exit is as good as it can be alone; the next one adds to it
        return loss

    fit_one_cycle(modules, rates, total, loss_of, on_step=lambda done, loss: on_step(done, total))
    _fold(modules, scale)
    return modules.eval().requires_grad_(False)


def nearest_texts(final: Tensor, texts: Tensor, many: int = 3) -> tuple[Tensor, Tensor]:
    """The texts of the bank that stand in for captions where there are none: those nearest to each photo at full depth.

    Args: final: (N, D).  texts: (G, D).
    Returns: texts (N * many, D), and the photo of each, (N * many,).
    """
    places = (final @ texts.T).topk(min(many, len(texts)), 1).indices
    return texts[places].flatten(0, 1), torch.arange(len(final)).repeat_interleave(places.shape[1])


@torch.no_grad()
def _say_on(modules: ExitModules) -> None:
    """Make each exit along the depth begin by saying what the one before it said, so that training only adds to it."""
    for exit, readout in zip(modules.exits[1:], _linear(modules)[1:], strict=True):
        if exit.stage != HEAD:
            readout.weight[:, : modules.dim] = torch.eye(modules.dim)
            readout.weight[:, modules.dim :] = 0
            readout.bias.zero_()


def _linear(modules: ExitModules) -> list[nn.Linear]:
    """The readouts, as what they are."""
    return [cast(nn.Linear, readout) for readout in modules.readouts]


def _scale(exit: Exit, features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and spread of each feature, (F,) twice; one that is nearly the same for all photos is not blown up.

    At the end of a pass features are the tower's own words, an embedding already, and stay as they are.
    """
    if exit.stage == HEAD:
        return torch.zeros(1), torch.ones(1)
    mean, spread = features.mean(0), features.std(0)
    return mean, torch.maximum(spread, 0.01 * mean.abs()).clamp_min(1e-4)


def _fold(modules: ExitModules, scale: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Make readouts that were trained on scaled features read them as they come."""
    for e, readout, (mean, spread) in zip(modules.exits, _linear(modules), scale, strict=True):
        if e.stage == HEAD:
            continue
        own = readout.weight.data[:, -len(mean) :]  # behind what reads the embedding before
        own /= spread
        # What is stored is float16: the bias makes up for the rounding of the weights at the mean.
        readout.bias.data -= own.half().float() @ mean


def captions_of(owner: Tensor, photos: int) -> tuple[Tensor, Tensor]:
    """First caption and number of captions of each photo, (N,) twice; captions stand in the order of their photos.

    The first one of a photo without captions is another photo's.
    """
    counts = torch.bincount(owner, minlength=photos)
    return counts.cumsum(0) - counts, counts
