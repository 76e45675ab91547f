"""Text-Guided Exit Modules: for each exit a readout and a gate; and the smaller towers that run the first passes.

A readout makes the embedding at an exit of what its pass saw there and of the embedding before: v_k = unit(readout_k(
v_{k-1}, x_k)). So later passes add to earlier ones, and what is stored of a photo is enough to go on.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.clip.small_tower import small_tower
from engine.exits.gate import Gate

HEAD = "head"  # the stage that ends a pass: the tower's own projection


@dataclass(frozen=True)
class Exit:
    """Where a photo may leave before the end."""

    stage: str  # the tower's stage that it stands after; HEAD: the end of a smaller tower's pass
    seen: int  # width of x_k, what is seen there: pooled features, at the end of a pass behind the tower's own words
    tower: str = ""  # timm's name of the smaller trunk that runs the pass; "": the model's own tower
    size: int = 0  # side of that pass's input in px; 0: the model's own


class ExitModules(nn.Module):
    """Readouts and gates of all exits but the last, the smaller towers, and the last readout where there is one."""

    def __init__(self, exits: Sequence[Exit], dim: int, joined: bool = False) -> None:
        """Args: joined: the last embedding, too, is read together with the one before; else it is the model's own."""
        super().__init__()
        self.exits, self.dim = tuple(exits), dim
        self.towers = nn.ModuleList(small_tower(e.tower, dim) for e in exits if e.tower)
        self.readouts = nn.ModuleList(
            nn.Linear((dim if k else 0) + (dim if e.stage == HEAD else e.seen), dim) for k, e in enumerate(exits)
        )
        self.gates = nn.ModuleList(Gate(dim + e.seen) for e in exits)
        self.last = nn.Linear(2 * dim, dim) if joined else None
        for e, readout in zip(exits, self.readouts, strict=True):
            if e.stage == HEAD:
                _add_up(readout, dim)
        if self.last is not None:
            _add_up(self.last, dim)

    def read(self, k: int, seen: Tensor, before: Tensor | None) -> Tensor:
        """v_k of exit k (0-based), unit length.

        Args:
            seen: (B, F) x_k; at the end of a pass it begins with the tower's own words, (B, D).
            before: (B, D) v_{k-1}; None at the first exit.
        Returns: (B, D) float32.
        """
        last = k == len(self.exits)
        own = seen[:, : self.dim] if last or self.exits[k].stage == HEAD else seen
        readout = self.last if last else self.readouts[k]
        if readout is not None:
            own = readout(own if before is None else torch.cat([before, own], -1))
        return F.normalize(own, dim=-1)

    def describe(self) -> list[dict[str, str | int]]:
        """The exits as plain dictionaries, for `tgem.json`."""
        return [asdict(e) for e in self.exits]


def _add_up(readout: nn.Module, dim: int) -> None:
    """Make a readout, in place, add what the tower says to what was said before."""
    assert isinstance(readout, nn.Linear)
    nn.init.zeros_(readout.bias)
    readout.weight.data.copy_(torch.eye(dim).repeat(1, readout.in_features // dim))
