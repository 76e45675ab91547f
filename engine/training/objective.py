"""What training minimises: pure functions of cached tensors."""

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.cost import rate
from engine.tgem import exit_distribution


def match_targets(own: Tensor, meaning: Tensor, softness: float, temperature: float = 0.1) -> Tensor:
    """Which candidates belong to which anchors (texts to images, or images to texts), softened by what they mean.

    A caption often fits other photos of the batch nearly as well as its own; a share of the target goes to them.

    Args:
        own: (A, C) bool, at least one True a row: the candidate is the anchor's own.
        meaning: (A, C) cosine of the two sides' captions in an untouched sentence encoder.
        softness: share of the target that follows meaning; 0 gives the own candidates alone.
    Returns: (A, C), rows sum to 1.
    """
    hard = own.to(meaning.dtype)
    return (1 - softness) * hard / hard.sum(1, keepdim=True) + softness * (meaning / temperature).softmax(1)


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of logits (A, C) against targets (A, C) whose rows sum to 1; a scalar, the mean over rows."""
    return -(targets * logits.log_softmax(1)).sum(1).mean()


def distil(logits: Tensor, teacher: Tensor) -> Tensor:
    """Cross-entropy of an exit's logits (A, C) against the last exit's; the teacher gets no gradient."""
    return cross_entropy(logits, teacher.detach().softmax(1))


def keep_neighbours(similarity: Tensor, before: Tensor, temperature: float = 0.1) -> Tensor:
    """How far texts have moved among each other, in nats (relational distillation, Park 2019); a scalar.

    Args:
        similarity: (N, N) logits between texts now.
        before: (N, N) cosines in the untouched sentence encoder.
    """
    itself = torch.eye(len(before), dtype=torch.bool)
    now = similarity.masked_fill(itself, -torch.inf).log_softmax(1)
    then = (before / temperature).masked_fill(itself, -torch.inf).log_softmax(1)
    return (then.exp() * (then - now).masked_fill(itself, 0)).sum(1).mean()


def caption_distortion(vectors: Tensor, texts: Tensor, owner: Tensor, pool: Tensor, sharpness: float) -> Tensor:
    """How much worse each image's own captions find it from exit k than from full depth, in nats.

    A caption looks for its image in a crowd of others; what counts is the log-probability of the right one under the
    softmax over similarities, averaged over the image's captions. In an index of mixed depths the others stand
    anywhere, so half the weight is on a crowd at full depth, half on one at the very exit.

    Args:
        vectors: (N, K, D) unit length, the last exit at full depth.  texts: (T, D).  owner: (T,) image of each text.
        pool: (P, K, D) embeddings of other images, which join the other N - 1 in the crowd.
        sharpness: what cosines are multiplied by.
    Returns: (N, K); the last column is 0, others may be negative where an early exit serves the captions better.
    """
    crowds = []
    for k in range(vectors.shape[1]):
        others = sharpness * texts @ torch.cat([vectors[:, k], pool[:, k]]).T  # (T, N + P)
        others[torch.arange(len(texts)), owner] = -torch.inf
        crowds.append(others.logsumexp(1))
    crowd = torch.stack(crowds, 1)  # (T, K)
    own = sharpness * torch.einsum("td,tkd->tk", texts, vectors[owner])  # (T, K)
    lost = (F.softplus(crowd - own) + F.softplus(crowd[:, -1:] - own)) / 2  # softplus: -log of own's share
    counts = torch.bincount(owner, minlength=len(vectors))[:, None]
    mean = torch.zeros(len(vectors), own.shape[1]).index_add_(0, owner, lost) / counts
    return mean - mean[:, -1:]


def rate_distortion(gates: Tensor, distortion: Tensor, cost_share: Tensor, price: Tensor) -> Tensor:
    """L = sum_k q_k * (d_k + lambda * c_k), the expectation over exits being exact; a scalar, the mean over the batch.

    Args:
        gates: (B, K - 1) probabilities of leaving.  distortion: (B, K).  cost_share: (K,).  price: (B,) lambda.
    """
    leaving = exit_distribution(gates)  # (B, K)
    return (leaving * distortion).sum(-1).add(price * rate(leaving, cost_share)).mean()
