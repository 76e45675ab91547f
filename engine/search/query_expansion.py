"""Query expansion: a word or two lean towards the texts of the bank that name the same.

Sentences find what they say; few texts of the bank name all of their words, and they stay as they are. How much more
words find is measured by `evaluate-albums`.
"""

from collections.abc import Sequence

import numpy as np
import torch.nn.functional as F

from engine.exits.encoder import Encoder
from engine.exits.naming import texts_naming

LEAN = 1.0  # of what the bank says beside what the query does; chosen on val sets
FEWEST = 5  # texts that are worth leaning towards


def embed_words(encoder: Encoder, texts: Sequence[str]) -> np.ndarray:
    """(N, D) float32, unit length: what searches for each of some texts go by."""
    vectors = encoder.encode_text(texts)
    for row, text in enumerate(texts):
        naming = texts_naming(text, encoder.bank.texts)
        if FEWEST <= naming.sum() < len(naming):
            bank = encoder.bank.vectors[: len(naming)].cpu()
            there = F.normalize(bank[naming].mean(0) - bank[~naming].mean(0), dim=0).numpy()
            leant = vectors[row] + LEAN * there
            vectors[row] = leant / np.linalg.norm(leant)
    return vectors
