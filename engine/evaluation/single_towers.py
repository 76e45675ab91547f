"""What a ladder has to beat: one tower alone, at one size of its input, with nothing before it and no exit."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch

from engine.clip.backbone import Backbone
from engine.clip.device import at_size, send
from engine.evaluation.photo_set import PhotoSet
from engine.exits.encoder import Encoder
from engine.exits.runner import own_embedding
from engine.training.dataset import Example
from engine.training.features import pixels_of

SIZES = (112, 128, 144, 160, 176, 192, 208, 224, 240, 256)  # px, of the own tower's smaller inputs


@dataclass(frozen=True)
class Alone:
    """Every photo read by one tower alone."""

    policy: str  # "small-input" or "single"
    tower: str
    size: int  # px
    macs_share: float  # of the photo, and of its affinity to the text bank
    vectors: np.ndarray  # (N, D)


def towers_alone(photos: PhotoSet, examples: Sequence[Example]) -> list[Alone]:
    """The model's own tower at smaller inputs, and each tower of the ladder at its own; raises ImageRejected."""
    return _read_alone(photos.encoder, list(_jobs(photos.encoder)), examples)


def smaller_inputs(encoder: Encoder, examples: Sequence[Example], sizes: Sequence[int]) -> list[Alone]:
    """The model's own tower alone, at some sizes of its input up to its own; raises ImageRejected."""
    return _read_alone(encoder, [("small-input", encoder.backbone, size) for size in sizes], examples)


def _read_alone(
    encoder: Encoder, jobs: Sequence[tuple[str, Backbone, int]], examples: Sequence[Example]
) -> list[Alone]:
    towers = {id(backbone): backbone.fused_tower(torch.float32) or backbone.tower for _, backbone, _ in jobs}
    parts: list[list[np.ndarray]] = [[] for _ in jobs]
    for batch in pixels_of(encoder, examples):
        for part, (_, backbone, size) in zip(parts, jobs, strict=True):
            state = backbone.normalise(send(at_size(torch.from_numpy(batch), size), backbone.device))
            with torch.inference_mode():
                part.append(own_embedding(towers[id(backbone)], state).cpu().numpy())
    return [
        Alone(policy, backbone.name, size, macs_share(encoder, backbone, size), np.concatenate(part))
        for part, (policy, backbone, size) in zip(parts, jobs, strict=True)
    ]


def _jobs(encoder: Encoder) -> Iterator[tuple[str, Backbone, int]]:
    own = encoder.backbone
    for size in SIZES:
        if own.reads_any_size and size < own.size:
            yield "small-input", own, size
    for e, tower in zip(encoder.modules.exits, encoder.modules.towers, strict=False):  # smaller towers come first
        yield "single", own.seeing_through(deepcopy(tower), e.tower), e.size
    yield "single", own, own.size


def macs_share(encoder: Encoder, backbone: Backbone, size: int) -> float:
    """What a photo and its affinity to the text bank cost by one tower alone."""
    return (sum(backbone.measure(size)[0]) + encoder.bank.macs(encoder.dim)) / encoder.full_macs
