"""Captioned photos that a run does not learn from; its log reports their recall."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from engine.exits.encoder import Encoder
from engine.search.metrics import recall
from engine.training.augment import resized
from engine.training.dataset import Example, load_squashed

AT_ONCE = 50  # photos


class Validation:
    """Photos in memory and their captions, encoded once."""

    def __init__(self, encoder: Encoder, examples: Sequence[Example]) -> None:
        """Args: encoder: whose texts stay as they are, and whose size the photos are kept at."""
        self._pixels = torch.from_numpy(load_squashed(examples, encoder.backbone.size))
        self._texts = encoder.encode_text([t for e in examples for t in e.texts])
        self._owner = np.repeat(np.arange(len(examples)), [len(e.texts) for e in examples])

    def recall(self, read: Callable[[Tensor], Tensor], size: int) -> list[float]:
        """R@1, 5 and 10, text to image, in per cent, of the photos at a size in px.

        Args: read: (B, 3, S, S) in [0, 1] to unit-length embeddings (B, D).
        """
        parts = [read(resized(part.float() / 255, size)) for part in self._pixels.split(AT_ONCE)]
        scores = recall(self._texts @ torch.cat(parts).numpy().T, self._owner)["t2i"]
        return [round(scores[k], 1) for k in ("r1", "r5", "r10")]
