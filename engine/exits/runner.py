"""Runs the passes of an encoder stage by stage: its towers and exit modules, wherever the backbone is.

Encoders that differ in their guide texts alone share a runner, and all runners of one backbone share its towers. So a
move to another device, as where a GPU is lent for a while, reaches all of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.clip.backbone import Backbone
from engine.clip.device import CPU, send, smaller
from engine.clip.fuse import fuse_for_inference
from engine.clip.stages import Tower
from engine.exits.batch import BatchRun
from engine.exits.budget import Plan
from engine.exits.checkpoint import FittedExits
from engine.exits.feature_map import FeatureMap
from engine.exits.ladder import Ladder, Pass
from engine.exits.modules import HEAD, ExitModules

LOWEST_LOG_PRICE = -30.0  # the logarithm of a price of nothing


class Towers:
    """The image towers of a backbone at one precision; they move with it.

    What ends before the model's own embedding may run on a fused copy; in float32 that embedding never does, so that it
    is the model's own to the last bit.
    """

    def __init__(self, backbone: Backbone, precision: str) -> None:
        """Args: precision: "float32" or, where the backbone has a bfloat16 tower on its device, "bfloat16"."""
        self.backbone, self.precision = backbone, precision
        self._build()

    def to(self, device: torch.device) -> None:
        """Move the backbone and build its towers there; raises ModelUnreadable where the device has no room."""
        if device != self.backbone.device:
            self.backbone.to(device)
            self._build()

    def early(self, backbone: Backbone) -> Tower:
        """What runs up to an exit before the last one."""
        quick = backbone.quick_tower() if self.precision == "bfloat16" else backbone.fused_tower(torch.float32)
        return quick or backbone.tower

    def _build(self) -> None:
        self.before_end = self.early(self.backbone)
        self.to_end = self.before_end if self.precision == "bfloat16" else self.backbone.tower


@dataclass(frozen=True)
class _Placed:
    """What a runner has on one device."""

    device: torch.device
    modules: ExitModules
    branches: nn.ModuleList  # at the precision of the towers
    scout: Backbone | None
    scout_tower: Tower | None
    log_prices: Tensor  # (G,)
    is_open: Tensor  # (K - 1, G) whether a budget's plan asks an exit


class PassRunner:
    """Towers with exit modules along them."""

    def __init__(self, towers: Towers, fitted: FittedExits) -> None:
        self.towers, self.backbone = towers, towers.backbone
        self.modules = fitted.modules.eval().requires_grad_(False)
        self.plans, self.calibrations = fitted.plans, fitted.calibrations
        self.exits = len(self.modules.exits) + 1
        self._placed = self._place(self.plans)
        self.seen: Mapping[int, list[int]] = {k: self.modules.seen(k) for k in range(self.exits - 1)}

    def ladder(self, described: int, asked: int) -> Ladder:
        """The passes and what they cost; see `Ladder`."""
        return Ladder(self.backbone, self.here.scout, self.modules, described, asked)

    @property
    def here(self) -> _Placed:
        """What is on the backbone's device, brought there where the backbone has moved."""
        if self._placed.device != self.backbone.device:
            self._placed = self._place(self.plans)
        return self._placed

    def _place(self, plans: Sequence[Plan]) -> _Placed:
        device = self.backbone.device
        modules = self.modules if device == CPU else deepcopy(self.modules).to(device)
        branches = modules.branches
        if self.towers.precision == "bfloat16":
            branches = deepcopy(branches)
            if device == CPU:
                fuse_for_inference(branches, torch.bfloat16)
            else:
                branches.bfloat16()
        scout = None
        if modules.scout is not None:
            scout = self.backbone.seeing_through(modules.scout, f"the scout of {self.backbone.name}")
        log_prices = torch.tensor([plan.price for plan in plans]).log().clamp_min(LOWEST_LOG_PRICE)
        is_open = torch.tensor([[k in plan.open for plan in plans] for k in range(self.exits - 1)])
        return _Placed(
            device=device,
            modules=modules,
            branches=branches,
            scout=scout,
            scout_tower=None if scout is None else self.towers.early(scout),
            log_prices=log_prices.to(device),
            is_open=is_open.to(device),
        )

    def input(self, pixels: np.ndarray | Tensor, size: int) -> Tensor:
        """(B, 3, S, S) uint8 to what the tower takes, made smaller for a pass over a smaller input.

        The photos' order in memory is kept: colours side by side, as pictures are decoded, suits convolutions best.
        """
        photos = torch.from_numpy(pixels) if isinstance(pixels, np.ndarray) else pixels
        return self.backbone.normalise(send(smaller(photos, size), self.backbone.device))

    def steps(self, p: Pass, to_end: bool) -> Iterator[tuple[str, Callable[[Tensor], Tensor]]]:
        """The stages of a pass; the last gives embeddings as the tower's own projection reads them.

        Args: to_end: whether the pass may end with the model's own embedding.
        Returns: names, and functions of what the one before gives. The last gives float32: unit-length embeddings,
            (B, D); or else, with the pooled features of the last map behind them for the readout, (B, D + F).
        """
        tower = self.towers.to_end if to_end else self.towers.before_end
        if p.scout:
            assert self.here.scout_tower is not None  # exits that are its come with it
            tower = self.here.scout_tower

        def finish(state: Tensor) -> Tensor:
            embedding = F.normalize(tower.finish(state).float(), dim=-1)
            return embedding if to_end else torch.cat([embedding, tower.pooled(state)], -1)

        for step in tower.steps:
            yield step.name, step.run
        yield HEAD, finish

    def pooled(self, k: int, state: Tensor) -> Tensor:
        """(B, F_k) What the readout of exit k (0-based) sees of the state there."""
        exit = self.modules.exits[k]
        if exit.stage == HEAD:
            return state
        return self.here.branches[k](state) if exit.channels else self.towers.to_end.pooled(state)

    def read(self, k: int, pooled: Mapping[int, Tensor]) -> Tensor:
        """(B, D) Embeddings at exit k (0-based), unit length."""
        return self.here.modules.read(k, pooled)

    def gate(self, k: int, pooled: Tensor, statistics: Tensor) -> Tensor:
        """(B, G) Probability of leaving at exit k (0-based) at every budget; 0 where its plan does not ask there."""
        here = self.here
        return here.modules.gates[k](pooled, statistics, here.log_prices[None]).sigmoid() * here.is_open[k]

    def run(
        self,
        batch: BatchRun,
        p: Pass,
        state: Tensor,
        to: int,
        start: int = -1,
        seen: Mapping[int, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor, dict[int, Tensor]]:
        """Run from the input of a pass, or from the state at one of its exits, to another one; exits are 0-based.

        Args: start: the exit that the state is of; -1: it is the input.  seen: pooled features of the exits up to it.
        Returns: embeddings (B, D), the state there, and the pooled features that a later readout needs.
        """
        pooled, on = dict(seen or {}), start < 0
        for name, work in self.steps(p, to == self.exits - 1):
            k = p.exits.get(name)
            if on:
                state = batch.timed(work, state)
                if k is not None and k < self.exits - 1 and k in self.seen.get(to, ()):
                    pooled[k] = batch.timed(self.pooled, k, state)
                if k == to:
                    break
            on = on or k == start
        if to == self.exits - 1:
            return state, state, {}
        return batch.timed(self.read, to, pooled), state, pooled

    def stacked(self, maps: Sequence[FeatureMap]) -> Tensor:
        """The batch that maps were taken from, as the tower would have passed it on."""
        state = torch.stack([m.state for m in maps])
        if self.towers.precision != "bfloat16":
            return state.float().to(self.backbone.device)
        quick = state.bfloat16()
        if quick.dim() == 4:
            quick = quick.contiguous(memory_format=torch.channels_last)
        return quick.to(self.backbone.device)
