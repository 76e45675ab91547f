"""Text-Guided Exit Modules: for each exit a readout, a gate and a query-time gate; and the scout, where there is one.

A gate is guided by texts: it sees the shape of p_k over the guide texts (`text_bank`) beside the pooled features, and
answers to a price lambda of compute. It is trained by the rate-based objective L = sum_k q_k (d_k + lambda c_k), where
q_k is `exit_distribution`, d_k what leaving at exit k loses and c_k its share of the MACs (arXiv 2605.17499, abstract).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.clip.small_tower import scout_tower
from engine.clip.stages import pool
from engine.exits.query_gate import QueryGate
from engine.exits.text_bank import STATISTICS

HEAD = "head"  # the stage that ends a pass: the tower's own projection
GATE_SIGHT, GATE_HIDDEN = 24, 48
# How sharply a gate answers to the price: steep enough for training's expectation to come near to the decision at run
# time, flat enough for photos to leave at different prices. Chosen on val among 1, 3, 6, 10 and a learned one.
SLOPE = 6.0


class Branch(nn.Module):
    """A light convolutional step between a stage and its readout.

    A stride-16 map goes through one inverted-residual-like step down to stride 32, a stride-32 map through a
    pointwise one.
    """

    def __init__(self, channels: int, stride: int, expand: int = 192, width: int = 256, deep_width: int = 384) -> None:
        super().__init__()
        self.width = width if stride < 32 else deep_width
        if stride < 32:
            self.steps = nn.Sequential(
                nn.Conv2d(channels, expand, 1),
                nn.ReLU6(inplace=True),
                nn.Conv2d(expand, expand, 3, 2, 1, groups=expand),
                nn.ReLU6(inplace=True),
                nn.Conv2d(expand, width, 1),
                nn.ReLU6(inplace=True),
            )
        else:
            self.steps = nn.Sequential(nn.Conv2d(channels, deep_width, 1), nn.ReLU6(inplace=True))

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) to pooled (B, 2 * width) float32."""
        return pool(self.steps(features))


class Gate(nn.Module):
    """The decision of one exit: pooled features, the shape of p_k and lambda to the probability of leaving.

    The logit is `leaning + SLOPE * log(lambda)`: a higher price of compute never makes a photo stay longer, so exits at
    a thriftier budget follow from what a costlier run has seen.
    """

    def __init__(self, width: int) -> None:
        """Args: how many of the pooled features it sees: the first ones."""
        super().__init__()
        self.width = width
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.sight = nn.Linear(width, GATE_SIGHT)
        self.hidden = nn.Linear(GATE_SIGHT + STATISTICS, GATE_HIDDEN)
        self.out = nn.Linear(GATE_HIDDEN, 1)
        self.dropout = nn.Dropout(0.3)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, pooled: Tensor, statistics: Tensor, log_price: Tensor) -> Tensor:
        """Logits of leaving.

        Args:
            pooled: (B, F) at this exit.  statistics: (B, 5) of p_k.  log_price: (B, G) or (1, G) logs of lambda.
        Returns: (B, G).
        """
        seen = self.sight(self.dropout(self.norm(pooled[:, : self.width])))
        hidden = F.gelu(self.hidden(torch.cat([seen, statistics], -1)))
        return self.out(self.dropout(hidden)) + SLOPE * log_price


@dataclass(frozen=True)
class Exit:
    """Where an image may leave before the end, and the shape of what reads it there."""

    stage: str  # name of the backbone's stage; HEAD: the end of a pass before the whole one
    pooled: int  # width of the pooled features taken here; at the end of a pass, of the embedding and of them behind it
    channels: int = 0  # of the stage's map, where a branch reads it; 0: the backbone's own pooled features are used
    stride: int = 0
    size: int = 0  # side of the input in px of the pass that it belongs to; 0: the model's own
    scout: bool = False  # the scout runs that pass, not the model's own tower


class ExitModules(nn.Module):
    """Branches, projections and both gates of all exits but the last (whose readout is the model's own projection).

    At the end of a pass before the whole one, too, the tower's own projection has read the picture; the readout that
    stands here corrects it, and begins by changing nothing.
    """

    scout: nn.Module | None  # the image tower of the passes that are its

    def __init__(self, exits: Sequence[Exit], dim: int) -> None:
        super().__init__()
        self.exits, self.dim = tuple(exits), dim
        self.branches = nn.ModuleList(Branch(e.channels, e.stride) if e.channels else nn.Identity() for e in exits)
        projections = [nn.Linear(sum(exits[j].pooled for j in self.seen(k)), dim) for k in range(len(exits))]
        for e, projection in zip(exits, projections, strict=True):
            if e.stage == HEAD:
                nn.init.eye_(projection.weight)
                nn.init.zeros_(projection.bias)
        self.projections = nn.ModuleList(projections)
        self.gates = nn.ModuleList(Gate(dim if e.stage == HEAD else e.pooled) for e in exits)
        self.query_gates = nn.ModuleList(QueryGate() for _ in exits)
        self.scout = scout_tower(dim) if any(e.scout for e in exits) else None

    def seen(self, k: int) -> list[int]:
        """The exits whose pooled features the readout of exit k (0-based) sees: its pass's own, up to itself."""
        if self.exits[k].stage == HEAD:
            return [k]
        of_pass = (self.exits[k].size, self.exits[k].scout)
        before = ((j, e) for j, e in enumerate(self.exits[: k + 1]) if e.stage != HEAD)
        return [j for j, e in before if (e.size, e.scout) == of_pass]

    def read(self, k: int, pooled: Mapping[int, Tensor]) -> Tensor:
        """Unit-length embedding at exit k (0-based) from the pooled features of the exits it sees; (B, D) float32."""
        return F.normalize(self.projections[k](torch.cat([pooled[j] for j in self.seen(k)], -1)), dim=-1)

    def describe(self) -> list[dict[str, str | int | bool]]:
        """The exits as plain dictionaries, for `tgem.json`."""
        return [asdict(e) for e in self.exits]


def exit_distribution(gates: Tensor) -> Tensor:
    """q_k = g_k * prod_{j<k} (1 - g_j); the last exit takes the rest.

    Args: gates: (..., K - 1) probabilities of leaving, having arrived.
    Returns: (..., K), sums to 1.
    """
    stay = torch.cat([torch.ones_like(gates[..., :1]), (1 - gates).cumprod(-1)], -1)  # (..., K)
    leave = torch.cat([gates, torch.ones_like(gates[..., :1])], -1)
    return stay * leave


def first_exit(gates: Tensor) -> Tensor:
    """The decision at run time: the first exit whose gate is at least 0.5, else the last.

    Args: gates: (..., K - 1).
    Returns: (...), 0-based.
    """
    leaves = torch.cat([gates >= 0.5, torch.ones_like(gates[..., :1], dtype=torch.bool)], -1)
    return leaves.int().argmax(-1)
