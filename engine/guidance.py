"""Guide texts, and the semantic content distribution of an embedding over them."""

from pathlib import Path

import torch
from torch import Tensor

GUIDE_TEXTS = Path(__file__).parent.parent / "assets" / "guide_texts.txt"
STATISTICS = 5  # how many numbers `statistics` gives per image


def read_guide_texts(path: Path = GUIDE_TEXTS) -> list[str]:
    """The phrases of a file, one a line; blank lines and lines that start with # are passed over."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def content_distribution(vectors: Tensor, guides: Tensor, sharpness: float) -> Tensor:
    """p_k: softmax over the guide texts of the similarity of an exit's embedding to each.

    Args:
        vectors: (B, D) unit length.  guides: (G, D) unit length.  sharpness: what the cosine is multiplied by.
    Returns: (B, G), rows sum to 1.
    """
    return (sharpness * vectors @ guides.T).softmax(-1)


def divergence(p: Tensor, q: Tensor) -> Tensor:
    """KL(p || q) of distributions in the last dimension, in nats; (B, G) twice to (B,)."""
    tiny = torch.finfo(p.dtype).tiny
    return (p * (p.clamp_min(tiny) / q.clamp_min(tiny)).log()).sum(-1)


def statistics(p: Tensor, before: Tensor | None) -> Tensor:
    """The shape of p_k and its change since the exit before.

    Args:
        p: (B, G).  before: (B, G) at the exit before, or None at the first.
    Returns: (B, 5): peak, margin to the second, entropy over log G, divergence from before (0 at the first exit),
        whether the top phrase changed (1 at the first).
    """
    top, places = p.topk(2, dim=-1)
    entropy = torch.special.entr(p).sum(-1) / torch.log(torch.tensor(float(p.shape[-1])))
    if before is None:
        moved, changed = torch.zeros_like(entropy), torch.ones_like(entropy)
    else:
        moved = divergence(p, before)
        changed = (before.argmax(-1) != places[:, 0]).to(p.dtype)
    return torch.stack([top[:, 0], top[:, 0] - top[:, 1], entropy, moved, changed], -1)
