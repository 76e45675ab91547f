"""A small first pass for any model: a tower of the shipped ladder, taught to speak the model's space from photos alone.

The trunk stays as the shipped ladder has it. What it sees of each photo is kept once, and a ridge regression from that
to the model's own embeddings is the tower's projection. Later exits learn beside what that projection says of photos
that it was not fitted on (leave one out), so they do not trust it more than it deserves.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor, nn

from engine.clip.backbone import Backbone
from engine.clip.small_tower import LAST_MAP, small_tower
from engine.exits.checkpoint import DESCRIBED, STORED
from engine.exits.modules import HEAD, Exit, ExitModules
from engine.exits.text_bank import TextBank
from engine.search.metrics import PAGE, best, overlap
from engine.training.features import Features
from engine.utils.paths import EMBEDDED_MODEL

MOST_SHARE = 0.15  # of the model's own MACs that a first pass may cost
LEAST_GAIN = 0.5  # points of fidelity from which on a first pass, or an exit beside those before it, is kept
COSTS = np.linspace(0.2, 0.9, 15)  # shares of the model's own MACs at which two ladders are compared
ROUNDS = np.logspace(-5, 1, 13)  # strengths of the ridge that are tried, in the mean of the spectrum
MOST_ROWS = 8000  # photos of a regression


@dataclass(frozen=True)
class FirstPass:
    """A tower whose projection is still to be made, and where its pass stands."""

    tower: nn.Module  # gives its pooled features
    exit: Exit  # of the pass in the model's space
    width: int  # of its pooled features

    @property
    def name(self) -> str:
        """For a person."""
        return f"a first pass of {self.exit.tower} at {self.exit.size} px"

    def looking(self, exits: Sequence[Exit], dim: int) -> ExitModules:
        """Exit modules that show pooled features in the place of what the pass says; nothing reads them yet."""
        found = ExitModules([], dim)
        found.exits = (replace(self.exit, seen=self.exit.seen - dim + self.width), *exits)
        found.towers.append(self.tower)
        blank = ExitModules([replace(e, tower="") for e in found.exits], dim)
        found.readouts, found.gates = blank.readouts, blank.gates
        return found

    def spoken(self, features: Features, said: Tensor) -> Features:
        """Features as an encoder with this pass has them; said (N, D) stands where the pooled features were."""
        first = torch.cat([said, features.seen[0][:, self.width :]], 1)
        return replace(features, seen=[first, *features.seen[1:]])

    def with_projection(self, weight: Tensor, bias: Tensor) -> nn.Module:
        """The tower as it is stored; weight (D, F), bias (D,)."""
        tower = small_tower(self.exit.tower, len(bias))
        trunk: Any = tower.trunk
        source: Any = self.tower
        trunk.load_state_dict(source.trunk.state_dict(), strict=False)
        trunk.classifier.weight.data.copy_(weight)
        trunk.classifier.bias.data.copy_(bias)
        return tower.eval().requires_grad_(False)


def first_pass_for(backbone: Backbone) -> FirstPass | None:
    """The largest of the shipped ladder's towers that costs little beside a model; None where all cost too much."""
    found = None
    shipped = json.loads((EMBEDDED_MODEL / DESCRIBED).read_text(encoding="utf-8"))["exits"]
    for number, exit in enumerate(Exit(**row) for row in shipped if row["tower"]):
        size = min(exit.size, backbone.size)
        tower = _shipped_tower(number, exit.tower, backbone)
        cost = sum(backbone.seeing_through(tower, exit.tower).measure(size)[0])
        if cost <= MOST_SHARE * sum(backbone.stage_macs):
            seen = backbone.dim + 2 * LAST_MAP[exit.tower]
            width = int(tower.trunk.num_features * 2)
            found = FirstPass(tower.cpu(), Exit(HEAD, seen, exit.tower, size), width)
    return found


def _shipped_tower(number: int, trunk: str, backbone: Backbone) -> Any:
    """A tower of the shipped ladder without its projection, which reads pixels normalised as a model takes them."""
    tower = small_tower(trunk, 1)
    prefix = f"towers.{number}.trunk."
    with safe_open(EMBEDDED_MODEL / STORED, framework="pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix) and ".classifier." not in name]  # noqa: SIM118
        state = {name.removeprefix(prefix): file.get_tensor(name) for name in names}
    tower.trunk.load_state_dict(state, strict=False)
    tower.trunk.classifier = nn.Identity()
    _renormalise(tower.trunk, backbone.mean.flatten().cpu(), backbone.std.flatten().cpu())
    return tower.eval().requires_grad_(False)


@torch.no_grad()
def _renormalise(trunk: Any, mean: Tensor, std: Tensor) -> None:
    """Make a trunk that was trained on pixels less 0.5, over 0.5, take those normalised by other numbers, (3,) each.

    At the very border, where a convolution is padded, the two differ.
    """
    weight, norm = trunk.conv_stem.weight, trunk.bn1
    shift = torch.einsum("oihw,i->o", weight, (mean - 0.5) / 0.5)
    weight.copy_((weight * (std / 0.5)[:, None, None]).half())  # as it is stored
    norm.running_mean.sub_(shift)


def project(seen: Tensor, final: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A ridge regression whose strength leaves single photos out best.

    Args: seen: (N, F) pooled features.  final: (N, D) at full depth.
    Returns: weight (D, F) and bias (D,) as they are stored, and what each photo is said to be by the others, (N, D).
    """
    rows = torch.linspace(0, len(seen) - 1, min(len(seen), MOST_ROWS)).long()
    x, y = seen[rows].double(), final[rows].double()
    centre, middle = x.mean(0), y.mean(0)
    x, y = x - centre, y - middle
    left, values, right = _decomposed(x)  # (n, r), (r,), (F, r)
    turned, squares = left.T @ y, values.square()
    choices = []
    for strength in ROUNDS * float(squares.mean()):
        kept = squares / (squares + strength)
        wrong = y - left @ (kept[:, None] * turned)
        leverage = (left.square() @ kept + 1 / len(x)).clamp_max(1 - 1e-8)
        alone = y - wrong / (1 - leverage)[:, None] + middle
        choices.append((float(F.cosine_similarity(alone, final[rows].double()).mean()), strength, alone))
    _, strength, alone = max(choices, key=lambda choice: choice[0])
    weight = (right @ ((values / (squares + strength))[:, None] * turned)).T.half().float()
    bias = (middle - weight.double() @ centre).float()
    said = seen @ weight.T + bias
    said[rows] = alone.float()
    return weight, bias, said


def _decomposed(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The singular vectors and values of (n, F), by way of the smaller of its two products; r is at most n or F."""
    wide = x.shape[0] <= x.shape[1]
    values, vectors = torch.linalg.eigh(x @ x.T if wide else x.T @ x)
    kept = values > 1e-9 * values[-1]
    roots, vectors = values[kept].sqrt(), vectors[:, kept]
    other = (x.T @ vectors if wide else x @ vectors) / roots
    return (vectors, roots, other) if wide else (other, roots, vectors)


def fidelity_at(vectors: Tensor, final: Tensor, bank: TextBank) -> tuple[float, float]:
    """How much of what full depth says an exit says too: the same best text, and of its ten best photos, in per cent.

    Args: vectors: (N, D) at the exit.  final: (N, D) at full depth.
    """
    texts, many = bank.vectors, min(PAGE, max(1, len(final) // 5))
    label = ((vectors @ texts.T).argmax(1) == (final @ texts.T).argmax(1)).float().mean()
    pages = (best((bank.background @ v.T).numpy(), many) for v in (vectors, final))
    return float(label) * 100, overlap(*pages) * 100


def fidelity_for_cost(features: Features, costs: Sequence[float], bank: TextBank) -> float:
    """The mean fidelity over COSTS of photos that all leave at one exit, or are shared out between two; in per cent.

    Args: costs: (K,) up to each exit, as shares of the model's own MACs.
    """
    final = features.vectors[:, -1]
    found = [sum(fidelity_at(v, final, bank)) / 2 for v in features.vectors.unbind(1)]
    return float(np.interp(COSTS, [0.0, *costs], [0.0, *found]).mean())
