"""A GPU that is lent for a moment, on a ZeroGPU Space: pixels go in, plain arrays come out.

The function that asks for it must be known when the program starts, and runs in a process of its own: what it returns
is copied from there, so feature maps stay behind and a photo that a query sends deeper is run from its picture.
"""

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from engine.batch import Encoding
    from engine.encoder import Encoder

SECONDS = 60  # that a batch may take of the GPU, loading it there included

_encoder: "Encoder | None" = None


def encode_lent(pixels: np.ndarray, budget: float) -> "list[Encoding]":
    """What `Encoder.encode` gives, less the feature maps, from the GPU that is lent to this call."""
    import torch

    from engine.encoder import Encoder

    assert _encoder is not None  # `borrow_for` comes before the first batch
    _encoder.to(torch.device("cuda"))
    return [replace(encoding, map=None) for encoding in Encoder.encode(_encoder, pixels, budget)]


if os.environ.get("SPACES_ZERO_GPU"):
    import spaces

    encode_lent = spaces.GPU(duration=SECONDS)(encode_lent)


def borrow_for(encoder: "Encoder") -> "Encoder":
    """The same encoder, whose batches are encoded on a lent GPU where this is a ZeroGPU Space."""
    global _encoder
    if os.environ.get("SPACES_ZERO_GPU"):
        from engine.budget import DEFAULT_BUDGET

        _encoder = encoder
        setattr(encoder, "encode", lambda pixels, budget=DEFAULT_BUDGET: encode_lent(pixels, budget))  # noqa: B010
    return encoder
