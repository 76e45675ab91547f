"""A GPU that is lent for a moment, on a ZeroGPU Space: pixels go in, plain arrays come out.

The function that asks for it must be known when the program starts, and runs in a process of its own: what it returns
is copied from there, so feature maps stay behind and a photo that a query sends deeper is run from its picture.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from engine.gallery import GUIDED_KEPT

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from engine.gallery import Encoder, Encoding

SECONDS = 60  # that a batch may take of the GPU, loading it there included

_encoder: "Encoder | None" = None


def encode_lent(
    pixels: "np.ndarray | Tensor", budget: float, texts: Sequence[str], owner_texts: Sequence[str]
) -> "list[Encoding]":
    """What `Encoder.encode` gives, less the feature maps, from the GPU that is lent to this call.

    Args: texts, owner_texts: the guide texts, as `Encoder.guided_by` takes them; that process makes its own of them.
    """
    import torch

    from engine.gallery import Encoder

    assert _encoder is not None  # `borrow_for` comes before the first batch
    _encoder.to(torch.device("cuda"))
    guided = _guided(tuple(texts), tuple(owner_texts))
    return [replace(encoding, map=None) for encoding in Encoder.encode(guided, pixels, budget)]


@lru_cache(GUIDED_KEPT)
def _guided(texts: tuple[str, ...], owner_texts: tuple[str, ...]) -> "Encoder":
    """The encoder, moved already, with a gallery's guide texts."""
    assert _encoder is not None
    if (texts, owner_texts) == (_encoder.guide_texts, _encoder.owner_texts):
        return _encoder
    return _encoder.guided_by(texts, owner_texts)


if os.environ.get("SPACES_ZERO_GPU"):
    import spaces

    encode_lent = spaces.GPU(duration=SECONDS)(encode_lent)


def borrow_for(encoder: "Encoder") -> "Encoder":
    """The same encoder, whose batches are encoded on a lent GPU where this is a ZeroGPU Space; so are its copies'."""
    global _encoder
    if os.environ.get("SPACES_ZERO_GPU"):
        from engine.gallery import DEFAULT_BUDGET, Encoder

        class Borrowing(Encoder):
            """Asks for a GPU batch by batch, each time with the guide texts that it has itself."""

            def encode(self, pixels: "np.ndarray | Tensor", budget: float = DEFAULT_BUDGET) -> "list[Encoding]":
                return encode_lent(pixels, budget, self.guide_texts, self.owner_texts)

        _encoder = encoder
        encoder.__class__ = Borrowing
    return encoder
