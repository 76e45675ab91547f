"""A GPU that is lent for a moment, on a ZeroGPU Space: pixels go in, plain arrays come out.

The function that asks for it must be known when the program starts, and runs in a process of its own: what it returns
is copied from there, so feature maps stay behind. A photo that stopped within a pass is then run from its picture when
a query sends it deeper; one that stopped at the end of a pass goes on from its embedding, as everywhere.
"""

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import gradio as gr
import httpx

from app.event_log import where
from engine.gallery import ENCODERS_KEPT, EngineError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from engine.gallery import Encoder, Encoding, Standing

SECONDS = 60  # that a batch may take of the GPU, loading it there included

_encoder: "Encoder | None" = None


def encode_lent(
    pixels: "np.ndarray | Tensor", budget: float, standing: "Standing | None", phrases: Sequence[str]
) -> "list[Encoding]":
    """What `Encoder.encode` gives, less the feature maps, from the GPU that is lent to this call.

    Args: phrases: what people will look for; that process makes its own encoder for them.
    """
    import torch

    from engine.gallery import Encoder

    assert _encoder is not None  # `borrow_for` comes before the first batch
    _encoder.to(torch.device("cuda"))
    encoder = _looking_for(tuple(phrases))
    return [replace(encoding, map=None) for encoding in Encoder.encode(encoder, pixels, budget, standing)]


@lru_cache(ENCODERS_KEPT)
def _looking_for(phrases: tuple[str, ...]) -> "Encoder":
    """The encoder, moved already, with a gallery's phrases."""
    assert _encoder is not None
    return _encoder.looking_for(phrases) if phrases else _encoder


if os.environ.get("SPACES_ZERO_GPU"):
    import spaces

    encode_lent = spaces.GPU(duration=SECONDS)(encode_lent)


def borrow_for(encoder: "Encoder") -> "Encoder":
    """The same encoder, whose batches are encoded on a lent GPU where this is a ZeroGPU Space; so are its copies'."""
    global _encoder
    if os.environ.get("SPACES_ZERO_GPU"):
        from engine.gallery import DEFAULT_BUDGET, Encoder

        class Borrowing(Encoder):
            """Asks for a GPU batch by batch, each time with the phrases that it has itself."""

            def encode(
                self,
                pixels: "np.ndarray | Tensor",
                budget: float = DEFAULT_BUDGET,
                standing: "Standing | None" = None,
            ) -> "list[Encoding]":
                try:
                    return encode_lent(pixels, budget, standing, self.phrases)
                except (gr.Error, RuntimeError, httpx.HTTPError) as error:  # no quota, or who lends it does not answer
                    if isinstance(error, RuntimeError):  # or something is wrong with what was lent
                        sys.stderr.write(where(error))
                    said, *_ = str(getattr(error, "message", error)).splitlines() or [""]
                    why = re.sub(r"<[^>]*>", "", said).strip().rstrip(".")  # it may come with links
                    raise EngineError(
                        f"No GPU was lent ({why}); what was done until then is kept. Try again later."
                    ) from error

        _encoder = encoder
        encoder.__class__ = Borrowing
    return encoder
