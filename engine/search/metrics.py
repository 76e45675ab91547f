"""How good a ranking is: recall, and agreement with another ranking. Pure functions of scores."""

import numpy as np

PAGE = 10  # photos that a person looks at first


def own_ranks(scores: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """(T,) how many images score at least as high as the text's own, that one left out; scores (T, N)."""
    own = scores[np.arange(len(scores)), owner]
    return (scores >= own[:, None]).sum(1) - 1


def recall_at(ranks: np.ndarray) -> dict[str, float]:
    """Recall@1/5/10 in per cent ("r1", "r5", "r10"), of ranks that count from 0."""
    return {f"r{k}": float((ranks < k).mean() * 100) for k in (1, 5, 10)}


def best(scores: np.ndarray, k: int) -> np.ndarray:
    """(Q, k) places of the best k of each row, best first, equals among them in order; scores (Q, N)."""
    top = np.argpartition(-scores, min(k, scores.shape[1] - 1), axis=1)[:, :k]
    top.sort(1)
    order = np.argsort(-np.take_along_axis(scores, top, 1), axis=1, kind="stable")
    return np.take_along_axis(top, order, 1)


def overlap(ranking: np.ndarray, reference: np.ndarray) -> float:
    """Share of the reference's places that stand in the ranking, the mean over rows; both (Q, k)."""
    return float((ranking[:, :, None] == reference[:, None, :]).any(1).mean())


def average_precision(scores: np.ndarray, own: np.ndarray) -> float:
    """The mean, over the images that are right, of the share of right ones down to each; scores (N,), own (N,) bool."""
    right = own[np.argsort(-scores, kind="stable")]
    return float((right.cumsum() / np.arange(1, len(right) + 1))[right].mean())


def paired_difference(first: np.ndarray, second: np.ndarray, owner: np.ndarray) -> tuple[float, float]:
    """How many more of the texts one way finds than another, in per cent, and the standard error of that.

    The texts of one image stand or fall together, and some have more of them: the error is that of a ratio of two sums
    over images (Cochran 1977, 2.11).

    Args: first, second: (T,) whether each text is found, or how often of many tries.  owner: (T,) image of each text.
    """
    difference = (np.asarray(first, float) - np.asarray(second, float)) * 100
    by_image = np.bincount(owner, difference - difference.mean())[np.unique(owner)]
    many = len(by_image)
    if many < 2:  # of one image nothing is known
        return float(difference.mean()), 0.0
    error = np.sqrt((by_image**2).sum() * many / (many - 1)) / len(owner)
    return float(difference.mean()), float(error)
