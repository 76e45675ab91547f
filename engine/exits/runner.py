"""Runs the passes of an encoder stage by stage: its towers and exit modules, wherever the backbone is.

Encoders that differ in their phrases alone share a runner, and all runners may share a backbone. So a move to another
device, as where a GPU is lent for a while, reaches all of them.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.clip.device import CPU, at_size, send
from engine.exits.checkpoint import FittedExits
from engine.exits.ladder import Pass
from engine.exits.modules import HEAD, ExitModules

if TYPE_CHECKING:
    from engine.clip.backbone import Backbone
    from engine.clip.stages import Tower


@dataclass(frozen=True)
class _Placed:
    """What a runner has on one device."""

    device: torch.device
    modules: ExitModules
    small_backbones: tuple["Backbone", ...]  # the backbone, seen through each of the smaller towers


class PassRunner:
    """A backbone with exit modules along its towers."""

    def __init__(self, backbone: "Backbone", fitted: FittedExits) -> None:
        self.backbone, self.fitted = backbone, fitted
        self.modules = fitted.modules.eval().requires_grad_(False)
        self.exits = len(self.modules.exits) + 1
        self._placed = self._place()

    @property
    def here(self) -> _Placed:
        """What is on the backbone's device, brought there where the backbone has moved."""
        if self._placed.device != self.backbone.device:
            self._placed = self._place()
        return self._placed

    def _place(self) -> _Placed:
        device = self.backbone.device
        modules = self.modules if device == CPU else deepcopy(self.modules).to(device)
        name = f"a smaller tower of {self.backbone.name}"
        return _Placed(device, modules, tuple(self.backbone.seeing_through(tower, name) for tower in modules.towers))

    def input(self, pixels: np.ndarray | Tensor, size: int) -> Tensor:
        """(B, 3, S, S) uint8 to what the tower takes, made smaller for a pass over a smaller input.

        The photos' order in memory is kept: colours side by side, as pictures are decoded, suits convolutions best.
        Raises ValueError for pixels of another shape or type.
        """
        photos, side = torch.from_numpy(pixels) if isinstance(pixels, np.ndarray) else pixels, self.backbone.size
        if photos.dtype != torch.uint8 or photos.shape[1:] != (3, side, side):
            raise ValueError(f"photos are (B, 3, {side}, {side}) uint8, not {(*photos.shape,)} {photos.dtype}")
        return self.backbone.normalise(send(at_size(photos, size), self.backbone.device))

    def stages(self, p: Pass) -> Iterator[tuple[str, Callable[[Tensor], Tensor]]]:
        """The stages of a pass; the last, HEAD, gives float32: what the tower's own projection says, not yet of unit
        length, (B, D), and behind it, in smaller towers, the pooled features of the last map, (B, D + F).

        In float32 an embedding that is the model's own never runs on a fused copy, so that it is that to the last bit.
        """
        is_small = p.tower >= 0
        backbone = self.here.small_backbones[p.tower] if is_small else self.backbone
        is_own = not is_small and self.modules.last is None and backbone.precision == "float32"
        tower = backbone.tower if is_own else backbone.fastest

        def finish(state: Tensor) -> Tensor:
            said = tower.finish(state).float()
            return torch.cat([said, tower.pooled(state)], -1) if is_small else said

        for stage in tower.stages:
            yield stage.name, stage.run
        yield HEAD, finish

    def read(self, k: int, state: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor]:
        """v_k (B, D), unit length, and x_k (B, F) of the state at exit k (0-based).

        Args: before: (B, D) v_{k-1}.
        """
        last = k == self.exits - 1
        seen = state if last or self.modules.exits[k].stage == HEAD else self.backbone.tower.pooled(state)
        return self.here.modules.read(k, seen, before), seen

    def stacked(self, maps: Sequence[Tensor]) -> Tensor:
        """The batch that maps were taken from, as the tower would have passed it on."""
        state = torch.stack(list(maps))
        if self.backbone.precision != "bfloat16":
            return state.float().to(self.backbone.device)
        quick = state.bfloat16()
        if quick.dim() == 4:
            quick = quick.contiguous(memory_format=torch.channels_last)
        return quick.to(self.backbone.device)


def own_embedding(tower: "Tower", state: Tensor) -> Tensor:
    """What a tower says by itself of its input, (B, D) float32 of unit length."""
    for stage in tower.stages:
        state = stage.run(state)
    return F.normalize(tower.finish(state).float(), dim=-1)
