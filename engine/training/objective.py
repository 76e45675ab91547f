"""What training minimises: pure functions of cached tensors."""

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.exits.budget import rate
from engine.exits.gate import exit_distribution

SOFTNESS = 0.2  # of the targets of a contrastive run; see `match_targets`


def match_targets(owner: Tensor, meaning: Tensor, softness: float, temperature: float = 0.1) -> tuple[Tensor, Tensor]:
    """Which texts belong to which images, softened by what the texts mean.

    A caption often fits other photos of the batch nearly as well as its own; a share of the target goes to them.

    Args:
        owner: (T,) number of the image that each text describes.
        meaning: (B, T) cosine of each image's mean caption to each text, in an untouched sentence encoder.
        softness: share of the target that follows meaning; 0 gives one-hot targets.
    Returns: (B, T) target over texts for each image (rows sum to 1), (B, T) over images for each text (columns do).
    """
    own = F.one_hot(owner, len(meaning)).T.to(meaning.dtype)  # (B, T)
    to_texts = (1 - softness) * own / own.sum(1, keepdim=True) + softness * (meaning / temperature).softmax(1)
    to_images = (1 - softness) * own + softness * (meaning / temperature).softmax(0)
    return to_texts, to_images


def contrastive(logits: Tensor, targets: tuple[Tensor, Tensor]) -> Tensor:
    """Symmetric cross-entropy of image-text logits (B, T); a scalar (CLIP, Radford 2021).

    Args: targets: (B, T) over texts, whose rows sum to 1, and (B, T) over images, whose columns do.
    """
    to_texts, to_images = targets
    return (F.cross_entropy(logits, to_texts) + F.cross_entropy(logits.T, to_images.T)) / 2


def distil(logits: Tensor, teacher: Tensor) -> Tensor:
    """Cross-entropy of a student's logits (A, C) against a teacher's, which gets no gradient; a scalar."""
    return F.cross_entropy(logits, teacher.detach().softmax(1))


def caption_distortion(vectors: Tensor, texts: Tensor, owner: Tensor, logit_scale: float) -> Tensor:
    """How much worse each image's own captions find it from exit k than from full depth, in nats.

    A caption looks for its image in a crowd of others; what counts is the log-probability of the right one under the
    softmax over similarities, averaged over the image's captions. In an index of mixed depths the others stand
    anywhere, so half the weight is on a crowd at full depth, half on one at the very exit.

    Args:
        vectors: (N, K, D) unit length, the last exit at full depth.  texts: (T, D).  owner: (T,) image of each text.
        logit_scale: what cosines are multiplied by.
    Returns: (N, K); the last column is 0, others may be negative where an early exit serves the captions better.
    """
    crowds = []
    for k in range(vectors.shape[1]):
        others = logit_scale * texts @ vectors[:, k].T  # (T, N)
        others[torch.arange(len(texts)), owner] = -torch.inf
        crowds.append(others.logsumexp(1))
    crowd = torch.stack(crowds, 1)  # (T, K)
    own = logit_scale * torch.einsum("td,tkd->tk", texts, vectors[owner])  # (T, K)
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
