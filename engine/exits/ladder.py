"""The encoder as a ladder of passes, and what each of its stages costs in multiply-accumulates (MACs).

First come the passes of smaller towers, each with an exit at its end, then the pass of the model's own tower, with
exits along its stages or none. A photo goes up from where it stands, so nothing that ran is thrown away: what it costs
to stand at an exit is the sum of all stages up to it, readouts, gates and the text bank included.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import accumulate, product
from typing import TYPE_CHECKING

import numpy as np
import torch

from engine.clip.macs import count_macs
from engine.exits.modules import HEAD, ExitModules
from engine.exits.text_bank import STATISTICS

if TYPE_CHECKING:
    from engine.clip.backbone import Backbone


@dataclass(frozen=True)
class Stage:
    """One stage of the encoder and what it costs; it is drawn as wide as its share of the MACs."""

    name: str
    pass_number: int  # of the pass that it belongs to, from 0 on
    macs: int  # of this stage alone, and of what the exit after it reads
    exit: int | None  # 1-based number of the exit after it


@dataclass(frozen=True)
class Pass:
    """One run of a tower."""

    tower: int  # number of the smaller tower; -1: the model's own
    size: int  # side of its input in px
    exit_after: dict[str, int]  # name of a stage -> 0-based number of the exit after it; HEAD is the last stage's


class Ladder:
    """Passes, stages and MACs of an encoder."""

    def __init__(
        self,
        backbone: "Backbone",
        small_backbones: Sequence["Backbone"],
        modules: ExitModules,
        described: int,
        decided: int | None,
    ) -> None:
        """Args:
        backbone: the model.  small_backbones: its space seen through each of the smaller towers.
        modules: its exits.
        described: MACs of what a text bank says of an embedding, paid at every exit that a photo reaches.
        decided: MACs of what decides at an exit in the place of its gate; None: the gate does.
        """
        self.exits = len(modules.exits) + 1
        firsts = [e for e in modules.exits if e.tower]
        own = {e.stage: k for k, e in enumerate(modules.exits) if not e.tower} | {HEAD: self.exits - 1}
        self.passes = (
            *(Pass(number, e.size, {HEAD: number}) for number, e in enumerate(firsts)),
            Pass(-1, backbone.size, own),
        )
        self.shapes: list[tuple[int, ...] | None] = [None] * self.exits  # of the state that a photo can go on from
        stages: list[Stage] = []
        for number, p in enumerate(self.passes):
            runs = backbone if p.tower < 0 else small_backbones[p.tower]
            macs, shapes = runs.measure(p.size)
            for place, name in enumerate([*(s.name for s in runs.tower.stages), HEAD]):
                k = p.exit_after.get(name)
                looked = 0 if k is None else described + _look_macs(modules, k, decided)
                stages.append(Stage(name, number, macs[place] + looked, None if k is None else k + 1))
                if k is not None and name != HEAD:
                    self.shapes[k] = shapes[place][1:]
        self.stages = tuple(stages)
        spent = accumulate(stage.macs for stage in stages)
        self.exit_macs = tuple(sum_ for stage, sum_ in zip(stages, spent, strict=True) if stage.exit is not None)
        self.full_macs = self.exit_macs[-1]
        self.shares = np.array(self.exit_macs) / self.full_macs  # (K,) of full depth's MACs, up to each exit

    def goes_on(self, exit: int, from_map: bool) -> bool:
        """Whether a photo at an exit (1-based) goes on from there, or has to be run from its picture again.

        At the end of a pass its embedding is enough; within one, the feature map is needed that it left with.
        """
        return from_map or self.shapes[exit - 1] is None

    def needs_picture(self, exit: int, from_map: bool) -> bool:
        """Whether a photo at an exit (1-based) needs its picture to go on."""
        return not from_map or self.shapes[exit - 1] is None

    @cached_property
    def onward(self) -> np.ndarray:
        """Full encodings that it takes to send a photo from where it stands to a later exit: the missing passes.

        Returns: (2, E, E), first without the feature map that it left with, then with it; from each exit to each, inf
            where it has passed that.
        """
        found = np.full((2, self.exits, self.exits), np.inf)
        for from_map, start in product((False, True), range(self.exits)):
            before = self.exit_macs[start] if self.goes_on(start + 1, from_map) else 0
            for end in range(start + 1, self.exits):
                found[int(from_map), start, end] = (self.exit_macs[end] - before) / self.full_macs
        return found


def _look_macs(modules: ExitModules, k: int, decided: int | None) -> int:
    """MACs of the readout at exit k (0-based), and of what decides there."""
    before = torch.zeros(1, modules.dim) if k else None
    if k == len(modules.exits):
        if modules.last is None:
            return 0
        return count_macs(partial(modules.read, k, torch.zeros(1, modules.dim), before))
    seen = torch.zeros(1, modules.exits[k].seen)
    if decided is None:
        decided = count_macs(partial(modules.gates[k], torch.zeros(1, modules.dim), seen, torch.zeros(1, STATISTICS)))
    return count_macs(partial(modules.read, k, seen, before)) + decided
