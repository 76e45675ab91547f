"""The encoder as a ladder of passes, and what each way up it costs in multiply-accumulates (MACs).

First come passes of the scout (a smaller tower) or of the model's own tower over smaller inputs, then the model's whole
pass. Exits stand at the ends of passes and along the whole one. Every pass that ran counts, gates and readouts too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from engine.clip.backbone import Backbone
from engine.clip.macs import count_macs
from engine.exits.budget import BUDGET_GRID
from engine.exits.modules import HEAD, ExitModules
from engine.exits.text_bank import STATISTICS


@dataclass(frozen=True)
class Stage:
    """One step of the encoder, as it is drawn: as wide as its share of the MACs."""

    name: str
    run: int  # number of the pass that it belongs to
    macs: int  # of this stage alone
    exit: int | None  # 1-based number of the exit after it
    scout: bool  # the scout's, not the model's own tower


@dataclass(frozen=True)
class Pass:
    """One run of a tower over an input of one size."""

    size: int  # side in px
    scout: bool  # the scout's, not the model's own tower
    exits: dict[str, int]  # name of a stage -> 0-based number of the exit after it; HEAD is the last stage's


class Ladder:
    """Passes, stages and MACs of an encoder."""

    def __init__(
        self, backbone: Backbone, scout: Backbone | None, modules: ExitModules, described: int, asked: int = 0
    ) -> None:
        """Args:
        scout: the same with the scout's tower, for the passes that are its.
        described: MACs of the likeness to each guide text, paid wherever a photo is described.
        asked: of whether it shows what people will look for, paid at each gate.
        """
        self._backbone, self._scout, self._modules = backbone, scout, modules
        self._described, self._asked = described, asked
        self.exits = len(modules.exits) + 1
        own = backbone.size
        runs = list(dict.fromkeys([*((e.size or own, e.scout) for e in modules.exits), (own, False)]))
        self.passes = tuple(
            Pass(*run, {e.stage: k for k, e in enumerate(modules.exits) if (e.size or own, e.scout) == run})
            for run in runs
        )
        self.passes[-1].exits[HEAD] = self.exits - 1
        self.stages = tuple(
            Stage(name, number, macs, k + 1 if (k := p.exits.get(name)) is not None else None, p.scout)
            for number, p in enumerate(self.passes)
            for name, macs in zip(self._names(p), self._measure(p)[0], strict=True)
        )
        self.full_macs = sum(backbone.step_macs)
        self.shapes: list[tuple[int, ...] | None] = []  # of the feature map that is kept at each exit, if one is
        self._depth: list[int] = []  # MACs of the exit's pass up to its stage
        self._looks: list[tuple[int, int, int]] = []  # MACs of each exit's branch, projection and gate
        for p in self.passes:
            (macs, shapes), names = self._measure(p), self._names(p)
            depth = dict(zip(names, np.cumsum(macs).tolist(), strict=True))
            shape = dict(zip(names, shapes, strict=False))
            for stage, k in p.exits.items():
                self._depth.append(depth[stage])
                goes_on = stage in shape and p is self.passes[-1]  # no look leads to another pass's end
                self.shapes.append(shape[stage][1:] if goes_on else None)
                if k < self.exits - 1:
                    self._looks.append(self._look_macs(k, shape.get(stage)))

    def pass_of(self, k: int) -> Pass:
        """The pass that exit k (0-based) belongs to."""
        return next(p for p in self.passes if k in p.exits.values())

    def asked(self, p: Pass, open: tuple[int, ...]) -> list[int]:
        """The exits of a pass at which a photo may leave; none: the pass is left out."""
        return [k for k in p.exits.values() if k in open or k == self.exits - 1]

    def is_seen(self, k: int, asked: Sequence[int]) -> bool:
        """Whether a readout that is asked sees the pooled features of exit k."""
        return any(k in self._modules.seen(j) for j in asked if j < self.exits - 1)

    def exit_macs(self, open: tuple[int, ...]) -> tuple[int, ...]:
        """MACs of a photo that leaves at each exit while these (0-based) are asked; every pass that it ran counts.

        An exit that is not asked costs 0: nobody leaves there.
        """
        found, spent = [0] * self.exits, 0
        for p in self.passes:
            asked = self.asked(p, open)
            if not asked:
                continue
            for k in p.exits.values():
                if k < self.exits - 1:
                    branch, projection, gate = self._looks[k]
                    spent += branch if self.is_seen(k, asked) else 0
                    spent += projection + gate + self._described + self._asked if k in asked else 0
                if k in asked:
                    found[k] = spent + self._depth[k]
            spent += sum(self._measure(p)[0])
        found[-1] += self._described
        return tuple(found)

    @property
    def forced_macs(self) -> tuple[int, ...]:
        """MACs of a photo that `Encoder.encode_to` sends to each exit: one pass, no gate asked, nothing described."""
        return tuple(self._depth[k] + self._read_macs(k) for k in range(self.exits))

    def resumes(self, from_exit: int, to_exit: int) -> bool:
        """Whether the feature map at one exit (1-based) leads to another: both belong to one pass."""
        start, end = from_exit - 1, to_exit - 1
        return start < end and self.shapes[start] is not None and end in self.pass_of(start).exits.values()

    def cost_to(self, from_exit: int, to_exit: int, from_map: bool) -> int:
        """MACs of sending a photo that stands at one exit on to a later one (both 1-based), where it is described.

        Args: from_map: its feature map is at hand; where that leads nowhere, the photo itself is run again.
        """
        start, end = from_exit - 1, to_exit - 1
        if not (from_map and self.resumes(from_exit, to_exit)):
            return self._depth[end] + self._read_macs(end) + self._described
        return self._depth[end] - self._depth[start] + self._read_macs(end, after=start) + self._described

    def costs(self, from_map: bool) -> np.ndarray:
        """`cost_to` from every exit to every other, in full encodings; (E, E), inf where a photo has passed it."""
        found = np.full((self.exits, self.exits), np.inf)
        for start in range(self.exits):
            for end in range(start + 1, self.exits):
                found[start, end] = self.cost_to(start + 1, end + 1, from_map) / self.full_macs
        return found

    def onward(self, from_map: bool) -> np.ndarray:
        """The same of second looks, (E, E): they go through the whole pass, for what smaller ones tell is not worth it.

        Tried on val: a pass of the scout errs where its others do, and one of the model's own over a smaller input,
        alone or together with what the scout says, mends no more per MAC than the whole one does.
        """
        whole = [self.pass_of(k) is self.passes[-1] for k in range(self.exits)]
        return np.where(whole, self.costs(from_map), np.inf)

    def _tower_of(self, p: Pass) -> Backbone:
        if not p.scout:
            return self._backbone
        assert self._scout is not None  # exits that are its come with it
        return self._scout

    def _names(self, p: Pass) -> list[str]:
        return [*(step.name for step in self._tower_of(p).tower.steps), HEAD]

    def _measure(self, p: Pass) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
        return self._tower_of(p).measure(p.size)

    def _read_macs(self, k: int, after: int = -1) -> int:
        """MACs of reading an embedding at exit k, the branches up to exit `after` having run already (0-based)."""
        if k == self.exits - 1:
            return 0
        return sum(self._looks[j][0] for j in self._modules.seen(k) if j > after) + self._looks[k][1]

    def _look_macs(self, k: int, shape: tuple[int, ...] | None) -> tuple[int, int, int]:
        modules, exit = self._modules, self._modules.exits[k]
        branch = projection = 0
        if exit.channels and shape is not None:
            branch = count_macs(partial(modules.branches[k], torch.zeros(shape)))
        pooled = {j: torch.zeros(1, modules.exits[j].pooled) for j in modules.seen(k)}
        projection = count_macs(partial(modules.read, k, pooled))
        seen, prices = torch.zeros(1, STATISTICS), torch.zeros(1, len(BUDGET_GRID))
        return branch, projection, count_macs(partial(modules.gates[k], pooled[k], seen, prices))
