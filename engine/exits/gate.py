"""The gate of an exit: whether a photo leaves there, at a price of compute.

A gate is guided by texts: beside v_k and x_k it sees how a text bank fits v_k (`text_bank.statistics`). It is trained
by the rate-based objective L = sum_k q_k (d_k + lambda c_k), where q_k is `exit_distribution`, d_k what leaving at exit
k loses and c_k its share of the MACs (arXiv 2605.17499, abstract).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.exits.budget import SLOPE, let_go
from engine.exits.text_bank import STATISTICS

SIGHT, HIDDEN = 24, 32


class Gate(nn.Module):
    """The decision of one exit: how far it leans to leaving, which with lambda gives the probability of that.

    The logit is `leaning + SLOPE * log(lambda)`: a higher price of compute never makes a photo stay longer, so exits at
    a thriftier budget follow from what a costlier run has seen.
    """

    center: Tensor
    spread: Tensor

    def __init__(self, width: int) -> None:
        """Args: width: of v_k and x_k side by side."""
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.sight = nn.Linear(width, SIGHT)
        self.hidden = nn.Linear(SIGHT + STATISTICS, HIDDEN)
        self.out = nn.Linear(HIDDEN, 1)
        self.dropout = nn.Dropout(0.3)
        self.register_buffer("center", torch.zeros(STATISTICS))  # of the statistics among the photos it was fitted on
        self.register_buffer("spread", torch.ones(STATISTICS))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, vectors: Tensor, seen: Tensor, statistics: Tensor) -> Tensor:
        """Leaning; (B, D), (B, F) and (B, STATISTICS) at this exit to (B,)."""
        sight = self.sight(self.dropout(self.norm(torch.cat([vectors, seen], -1))))
        scaled = (statistics - self.center) / self.spread
        hidden = F.gelu(self.hidden(torch.cat([sight, scaled], -1)))
        return self.out(self.dropout(hidden))[:, 0]


def leaving(leanings: Tensor, log_prices: Tensor) -> Tensor:
    """Probability of leaving, having arrived; leanings and logarithms of lambda of shapes that are broadcast."""
    return (leanings + SLOPE * log_prices).sigmoid()


def exit_distribution(gates: Tensor) -> Tensor:
    """q_k = g_k * prod_{j<k} (1 - g_j); the last exit takes the rest.

    Args: gates: (..., K - 1) probabilities of leaving, having arrived.
    Returns: (..., K), sums to 1.
    """
    stay = torch.cat([torch.ones_like(gates[..., :1]), (1 - gates).cumprod(-1)], -1)  # (..., K)
    leave = torch.cat([gates, torch.ones_like(gates[..., :1])], -1)
    return stay * leave


def first_exit(gates: Tensor) -> Tensor:
    """Where photos leave that have been past every exit: the first whose gate lets them go, else the last.

    Args: gates: (..., K - 1).
    Returns: (...), 0-based.
    """
    leaves = torch.cat([let_go(gates), torch.ones_like(gates[..., :1], dtype=torch.bool)], -1)
    return leaves.int().argmax(-1)
