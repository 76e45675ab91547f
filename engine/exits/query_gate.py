"""Query gates: correct what calibrations predict of a query's candidates, and how sure that is.

A T-GEM at query time. It sees how a candidate stands in the ranking, the shape of the photo's p_k, and the similarity
of the query to the guide texts that p_k favours.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.exits.calibration import FARTHEST
from engine.exits.text_bank import content_distribution

PAGE = 10  # the place whose score is the page's edge
RELATIONS = 12
HIDDEN = 48
SHIFT = 0.05  # what one unit of a gate's first output moves an expected score by
LEAST_DOUBT, MOST_DOUBT = -1.5, 1.5  # logs of the deviation over the calibration's


@dataclass(frozen=True)
class Described:
    """Embeddings in terms of the guide texts; any leading shape."""

    shape: Tensor  # (..., 3) peak, margin and entropy of p
    meaning: Tensor  # (..., D) the guide texts, weighted by p; unit length


def described(vectors: Tensor, guides: Tensor, logit_scale: float) -> Described:
    """Describe embeddings (..., D) by guide texts (G, D); see `content_distribution`."""
    p = content_distribution(vectors, guides, logit_scale)
    top = p.topk(2, dim=-1).values
    entropy = torch.special.entr(p).sum(-1) / torch.log(torch.tensor(float(p.shape[-1])))
    shape = torch.stack([top[..., 0], top[..., 0] - top[..., 1], entropy], -1)
    return Described(shape, F.normalize(p @ guides, dim=-1))


def relations(expected: Tensor, queries: Tensor, asked: Described, photos: Described) -> Tensor:
    """How candidates stand to the query, to each other and to the guide texts.

    Args:
        expected: (Q, M) calibrated scores of each query's candidates.
        queries: (Q, D) unit length, and what they are like.
        photos: of (Q, M) candidates, at the exits where they stand.
    Returns: (Q, M, RELATIONS), of the order of 1.
    """
    best = expected.sort(dim=1, descending=True).values[:, :PAGE]  # (Q, <= PAGE)
    ranks = (expected[:, None, :] > expected[:, :, None]).sum(2)  # of those that are better: equals are read alike

    def for_all(value: Tensor) -> Tensor:
        return value[:, None].expand_as(expected)

    fits = torch.einsum("qd,qmd->qm", queries, photos.meaning)
    spread = best.std(1, correction=0)
    lead = best[:, 0] - best[:, min(1, best.shape[1] - 1)]
    standing = [10 * expected, 10 * (expected - best[:, :1]), 10 * (expected - best[:, -1:]), ranks.float().log1p()]
    shared = [20 * spread, 10 * best[:, 0], 10 * lead, asked.shape[:, 2]]
    return torch.stack([*standing, *map(for_all, shared), *photos.shape.unbind(-1), 5 * fits], -1)


class QueryGate(nn.Module):
    """Corrects the estimates of candidates that left at one exit."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(RELATIONS, elementwise_affine=False)
        self.hidden = nn.Linear(2 * RELATIONS, HIDDEN)
        self.out = nn.Linear(HIDDEN, 2)
        self.dropout = nn.Dropout(0.2)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, relations: Tensor) -> tuple[Tensor, Tensor]:
        """Relations (..., RELATIONS) to a shift of the expected score and a factor of its deviation, (...) each."""
        hidden = F.gelu(self.hidden(torch.cat([relations, self.norm(relations)], -1)))
        shift, doubt = self.out(self.dropout(hidden)).unbind(-1)
        return SHIFT * shift, doubt.clamp(LEAST_DOUBT, MOST_DOUBT).exp()


GATE_MACS = 2 * RELATIONS * HIDDEN + 2 * HIDDEN


def surprise(shift: Tensor, factor: Tensor, expected: Tensor, deviation: float, final: Tensor) -> Tensor:
    """Mean negative log-likelihood of full-depth scores under corrected estimates, in nats up to a constant; a scalar.

    Args: all (Q, M) but the deviation, which is the calibration's.
    """
    sigmas = (final - expected - shift) / (deviation * factor)
    return (0.5 * sigmas**2 + factor.log()).mean()


def missed(expected: Tensor, deviations: Tensor, own: Tensor, logit_scale: float) -> Tensor:
    """Negative log-likelihood of the candidates asked for under certainty equivalents, in nats; a scalar, the mean.

    Args: all (Q, M).  own: bool, at most one True a row; rows without one do not count.
    """
    logs = (logit_scale * expected + (logit_scale * deviations).clamp_max(FARTHEST) ** 2 / 2).log_softmax(1)
    return -(logs * own).sum() / own.sum().clamp_min(1)
