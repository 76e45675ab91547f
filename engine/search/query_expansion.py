"""Query expansion: a word or two lean towards the texts of the bank that name the same.

Sentences find what they say; few texts of the bank name all of their words, and they stay as they are. How much more
words find is measured by `evaluate-albums`.
"""

from collections.abc import Sequence

import numpy as np
import torch.nn.functional as F

from engine.exits.encoder import Encoder
from engine.exits.naming import telling_words, texts_naming

LEAN = 1.0  # of what the bank says beside what the query does; chosen on val sets
FEWEST = 5  # texts that are worth leaning towards


def embed_words(encoder: Encoder, texts: Sequence[str]) -> np.ndarray:
    """(N, D) float32, unit length: what searches for each of some texts go by."""
    vectors = encoder.encode_text(texts)
    for row, text in enumerate(texts):
        there = _expansion(encoder, text)
        if there is not None:
            leant = vectors[row] + LEAN * there
            vectors[row] = leant / np.linalg.norm(leant)
    return vectors


def _expansion(encoder: Encoder, text: str) -> np.ndarray | None:
    """(D,) Where a text leans to; of two words that few texts name together, to the mean of where each does."""
    together, words = _said_of(encoder, text), telling_words(text)
    if together is not None or len(words) != 2:
        return together
    apart = [said for word in words if (said := _said_of(encoder, word)) is not None]
    return np.mean(apart, 0) if len(apart) == 2 else None


def _said_of(encoder: Encoder, phrase: str) -> np.ndarray | None:
    """(D,) unit length: from what the bank's other texts say to what those say that name a phrase; None: too few do."""
    naming = texts_naming(phrase, encoder.bank.texts)
    if not FEWEST <= naming.sum() < len(naming):
        return None
    bank = encoder.bank.vectors[: len(naming)].cpu()
    return F.normalize(bank[naming].mean(0) - bank[~naming].mean(0), dim=0).numpy()
