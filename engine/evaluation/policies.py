"""Policies that decide how deep each photo goes when it is indexed, beside the gates: those they are compared with.

All but patience answer to a price, as the gates do: a photo leaves at the first exit that asks for no more. The price
is the one that meets a budget on the very photos that are measured, so every policy spends what it may.
"""

from bisect import bisect_left
from collections.abc import Callable

import numpy as np
import torch

from engine.evaluation.photo_set import PhotoSet
from engine.exits.text_bank import content_distribution
from engine.training.gates import drift


def leave(asks: np.ndarray, price: float) -> np.ndarray:
    """(N,) The first exit, 0-based, that asks for no more than a price; asks (N, K - 1)."""
    return np.hstack([asks <= price, np.ones((len(asks), 1), bool)]).argmax(1)


def within(asks: np.ndarray, shares: np.ndarray, budget: float) -> np.ndarray:
    """(N,) Exits at the least price whose mean cost is within a budget; where none is, the first.

    Args: asks: (N, K - 1).  shares: (K,) what leaving at each exit costs.
    """
    prices = [-np.inf, *np.unique(asks).tolist()]
    place = bisect_left(prices, True, key=lambda price: bool(shares[leave(asks, price)].mean() <= budget + 1e-9))
    return leave(asks, prices[min(place, len(prices) - 1)])


def best_asks(lost: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """(N, K - 1) The price from which on no later exit is better: what a gate that knows every loss asks for.

    At a price p a photo then leaves where lost + p * shares is least.

    Args: lost: (N, K) by leaving at each exit.  shares: (K,) ascending.
    """
    asks = np.empty((len(lost), len(shares) - 1))
    for k in range(len(shares) - 1):
        asks[:, k] = ((lost[:, k, None] - lost[:, k + 1 :]) / (shares[k + 1 :] - shares[k])).max(1)
    return asks


def confidence(photos: PhotoSet) -> np.ndarray:
    """Photos leave where the peak of p_k over the text bank is high enough."""
    peaks = np.empty((photos.many, photos.encoder.exits - 1))
    for k in range(peaks.shape[1]):
        similarities = photos.encoder.bank.similarities(photos.features.vectors[:, k])
        peaks[:, k] = content_distribution(similarities, photos.encoder.logit_scale).amax(-1).numpy()
    return -peaks


def oracle(photos: PhotoSet) -> np.ndarray:
    """Knows each photo's captions, or its label, and leaves where they lose least for the price."""
    scale, features = photos.encoder.logit_scale, photos.features
    if photos.labels is not None:
        logits = scale * features.vectors @ features.texts.T  # (N, K, L)
        own = logits[torch.arange(photos.many), :, torch.from_numpy(photos.labels)]
        return best_asks((logits.logsumexp(2) - own).numpy(), photos.shares)
    owner, captions = photos.owner, np.arange(len(photos.queries))
    crowd = torch.from_numpy(scale * photos.scores(photos.full))  # (T, N)
    crowd[captions, owner] = -torch.inf
    others, counts, lost = crowd.logsumexp(1).numpy(), np.bincount(owner, minlength=photos.many), []
    for k in range(photos.encoder.exits):
        likely = scale * photos.scores(photos.everyone_at(k))[captions, owner]
        lost.append(np.bincount(owner, np.logaddexp(likely, others) - likely, photos.many) / np.maximum(counts, 1))
    return best_asks(np.stack(lost, 1), photos.shares)


def oracle_drift(photos: PhotoSet) -> np.ndarray:
    """Knows the drift that gates learn to tell, and leaves where it loses least for the price."""
    found = drift(photos.features, photos.encoder.bank.vectors, photos.encoder.logit_scale)
    return best_asks(found.numpy(), photos.shares)


BY_PRICE: dict[str, Callable[[PhotoSet], np.ndarray]] = {  # names to what exits ask for, (N, K - 1)
    "confidence": confidence,
    "oracle": oracle,
    "oracle-drift": oracle_drift,
}


def patience(photos: PhotoSet, exits: int) -> np.ndarray:
    """(N,) The first exit, 0-based, before which the best text of the bank has stayed the same for so many exits."""
    texts = photos.encoder.bank.vectors.numpy()
    tops = [(photos.vectors[:, k] @ texts.T).argmax(1) for k in range(photos.encoder.exits - 1)]
    stayed = np.zeros((photos.many, len(tops)), int)
    for k in range(1, len(tops)):
        stayed[:, k] = (stayed[:, k - 1] + 1) * (tops[k] == tops[k - 1])
    return leave(-stayed, -exits)
