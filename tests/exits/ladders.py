"""Random encoders of every kind of ladder, each made once: no test changes them."""

from functools import cache
from typing import Any

import numpy as np

from engine.exits.batch import Encoding
from engine.exits.budget import BUDGET_GRID
from engine.exits.encoder import Encoder, Standing
from tests import tiny_models

THRIFTY, MIDDLE, WHOLE = BUDGET_GRID[0], BUDGET_GRID[len(BUDGET_GRID) // 2], BUDGET_GRID[-1]

OWN_END: dict[str, dict[str, Any]] = {  # at full depth the model's own embedding
    "a transformer": {},
    "a transformer behind a smaller tower": {"sizes": (32,), "every": 2},
    "siglip": {"kind": "siglip"},
    "resnet": {"kind": "resnet"},
    "efficientnet": {"kind": "efficientnet"},
    "convnext": {"kind": "convnext"},
}
JOINED: dict[str, dict[str, Any]] = {  # at full depth it is read together with the exit before
    "whole passes, joined": {"kind": "efficientnet", "sizes": (32, 48), "every": 0, "joined": True},
    "exits along the depth, joined": {"kind": "efficientnet", "joined": True},
}
LADDERS = OWN_END | JOINED
MIXED = ("a transformer", "a transformer behind a smaller tower", *JOINED)  # for tests that need no more than that


@cache
def made(name: str) -> Encoder:
    """The encoder of a name of LADDERS."""
    return tiny_models.encoder(**LADDERS[name])


def photos(encoder: Encoder, many: int = 4) -> np.ndarray:
    """The first of always the same random photos."""
    return tiny_models.pixels(24, encoder.backbone.size)[:many]


def vectors_of(encodings: list[Encoding]) -> np.ndarray:
    """(B, D)."""
    return np.stack([e.vector for e in encodings])


def standing(encodings: list[Encoding]) -> Standing:
    """Where photos stand that were left at one exit."""
    maps = [e.map for e in encodings if e.map is not None]
    (exit,) = {e.exit for e in encodings}
    return Standing(exit, vectors_of(encodings), maps or None)
