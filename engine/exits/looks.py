"""Which photos to look at again first: where a deeper exit gains most for what it costs."""

import numpy as np


def best_looks(
    gains: np.ndarray, costs: np.ndarray, left: np.ndarray, least: float, most: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The looks that gain most for their cost, for each of several queries, or sorts into albums, by itself.

    Args:
        gains: (Q, M, T) of a look at each of M candidates at each of T exits; 0 where it would tell nothing.
        costs: (Q, M, T) in full encodings; inf where a candidate cannot be run there.
        left: (Q,) to spend, in full encodings.
        least: that a full encoding must gain.  most: looks of each query.
    Returns: (N,) queries, candidates and exits, as places in the arrays.
    """
    rates = gains / costs
    targets = rates.argmax(2)  # (Q, M)
    rate, cost = (np.take_along_axis(a, targets[..., None], 2)[..., 0] for a in (rates, costs))
    order = np.argsort(-rate, axis=1, kind="stable")[:, :most]
    best, price = np.take_along_axis(rate, order, 1), np.take_along_axis(cost, order, 1)
    good = (best >= least) & (np.where(np.isfinite(price), price, 0).cumsum(1) <= left[:, None] + 1e-9)
    queries, ranks = np.nonzero(good)
    places = order[queries, ranks]
    return queries, places, targets[queries, places]
