"""Retrieval quality against compute: recall, and policies side by side."""

import numpy as np


def recall(images: np.ndarray, texts: np.ndarray, owner: np.ndarray) -> dict[str, dict[str, float]]:
    """Recall@1/5/10 in per cent, texts finding images ("t2i") and images finding any of their texts ("i2t").

    Args:
        images: (N, D) unit-length vectors.  texts: (T, D) likewise.  owner: (T,) number of the image each text describes.
    Returns: {"t2i": {"r1", "r5", "r10"}, "i2t": {...}}. Equal scores count against the right answer.
    """
    scores = texts @ images.T  # (T, N)
    own = scores[np.arange(len(texts)), owner]
    text_ranks = (scores >= own[:, None]).sum(1) - 1
    image_ranks = np.full(len(images), len(texts))
    for image in range(len(images)):
        mine = owner == image
        best = scores[mine, image].max()
        image_ranks[image] = (scores[~mine, image] >= best).sum()
    return {
        way: {f"r{k}": float((ranks < k).mean() * 100) for k in (1, 5, 10)}
        for way, ranks in (("t2i", text_ranks), ("i2t", image_ranks))
    }
