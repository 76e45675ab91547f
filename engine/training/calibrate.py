"""Fits what search needs to compare photos of different exits: the calibration of the scores at each."""

import torch
from torch import Tensor

from engine.exits.calibration import EXACT, Calibration
from engine.exits.text_bank import TextBank

RANKED = 60  # photos that a query ranks high, among which a calibration counts


def affinities(bank: TextBank, vectors: Tensor) -> Tensor:
    """a_k of photos at every exit, (N, K, D) to (N, K)."""
    return torch.stack([bank.affinity(v) for v in vectors.unbind(1)], 1)


def fit_calibrations(vectors: Tensor, texts: Tensor, fits: Tensor, weight: float) -> tuple[Calibration, ...]:
    """Each exit's calibration, among the photos that each text ranks high by it.

    Args: vectors: (N, K, D).  texts: (T, D).  fits: (N, K) affinities.  weight: what they lower scores by.
    """
    found = []
    final = texts @ vectors[:, -1].T - weight * fits[:, -1]  # (T, N)
    for k in range(vectors.shape[1] - 1):
        cosines = texts @ vectors[:, k].T
        places = (cosines - weight * fits[:, k]).topk(min(RANKED, len(fits)), 1).indices
        x = cosines.gather(1, places)
        y = final.gather(1, places) + weight * fits[:, k][places]
        slope = float(((x - x.mean()) * (y - y.mean())).mean() / x.var(correction=0))
        offset = float(y.mean() - slope * x.mean())
        found.append(Calibration(slope, offset, float((y - slope * x - offset).std(correction=0))))
    return (*found, EXACT)
