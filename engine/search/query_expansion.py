"""Query expansion: a word or two lean towards the texts of the bank that name the same.

Sentences find what they say; few texts of the bank name all of their words, and they stay as they are. How much more
words find is measured by `evaluate-albums`.
"""

from collections.abc import Sequence

import numpy as np
import torch.nn.functional as F

from engine.exits.encoder import Encoder
from engine.exits.naming import asked_for, telling_words, texts_naming

LEAN = 1.0  # of what the bank says beside what the query does; chosen on val sets
FEWEST = 5  # texts that are worth leaning towards


def embed_words(encoder: Encoder, texts: Sequence[str]) -> np.ndarray:
    """(N, D) float32, unit length: what searches for each of some texts go by."""
    asked = [asked_for(text) for text in texts]
    vectors = encoder.encode_text(asked)
    for row, text in enumerate(asked):
        direction = _direction(encoder, text)
        if direction is not None:
            leant = vectors[row] + LEAN * direction
            vectors[row] = leant / np.linalg.norm(leant)
    return vectors


def _direction(encoder: Encoder, text: str) -> np.ndarray | None:
    """(D,) Where a text leans to, if it does; of two words that few texts name together the mean of where each does."""
    together, words = _direction_of_all(encoder, text), telling_words(text)
    if together is not None or len(words) != 2:
        return together
    apart = [one for word in words if (one := _direction_of_all(encoder, word)) is not None]
    return np.mean(apart, 0) if len(apart) == 2 else None


def _direction_of_all(encoder: Encoder, phrase: str) -> np.ndarray | None:
    """(D,) unit length: from the mean of the bank's other texts to that of those that name all words of a phrase; None
    where those are too few.
    """
    naming = texts_naming(phrase, encoder.bank.texts)
    if not FEWEST <= naming.sum() < len(naming):
        return None
    bank = encoder.bank.vectors[: len(naming)].cpu()
    return F.normalize(bank[naming].mean(0) - bank[~naming].mean(0), dim=0).numpy()
