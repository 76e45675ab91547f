"""Draws the encoder as a strip of stages, each as wide as its MACs.

Filled = computed, hollow = saved. A card's strip draws the stages from one exit to the next as one piece; the selected
photo's draws every stage. Each pass of the scout, or over another input size, is a run of its own, and one that a
photo's budget left out is not drawn.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from engine.gallery import Photo, nearest_budget

if TYPE_CHECKING:
    from engine.gallery import Plan, Stage

MARK_WIDTH = 0.058  # of the strip: what the numbers under a mark need to stand side by side


@dataclass(frozen=True)
class Drawing:
    """An encoder as the page draws it."""

    stages: "Sequence[Stage]"
    full_macs: int
    plans: "Sequence[Plan]"  # one for each budget of the grid

    def place(self, budget: float | None) -> int:
        """The place on the grid of the budget nearest to one; by default the dearest."""
        return len(self.plans) - 1 if budget is None else nearest_budget(budget)

    def open(self, budget: float | None) -> tuple[int, ...]:
        """The exits (0-based) that are asked at a budget."""
        return self.plans[self.place(budget)].open

    def trace(self, photo: Photo, exit: int | None = None) -> "StagesRun":
        """The stages that a photo ran, when it was indexed and later; or those up to an earlier exit."""
        exit = exit or photo.exit
        return trace_to(self.stages, self.open(photo.budget), min(self.left_at(photo), exit), exit)

    def gates(self, photo: Photo) -> list[float]:
        """The gate's probability at each gated exit that a photo reached, at its budget; NaN where that has none."""
        return photo.gates[:, self.place(photo.budget)].tolist() if photo.gates.size else []

    def left_at(self, photo: Photo) -> int:
        """The exit at which a photo left when it was indexed; a query may have sent it deeper since, past no gate."""
        left = [exit for exit, gate in enumerate(self.gates(photo), start=1) if gate >= 0.5]
        return left[0] if left else photo.exit

    @property
    def full(self) -> "StagesRun":
        """The bare full encoder: its one pass, all of it."""
        stages = [stage for stage in self.stages if stage.run == self.stages[-1].run]
        return StagesRun(stages, [True] * len(stages))

    def traces(self, budget: float | None, standing: Sequence[int]) -> "list[StagesRun]":
        """The traces of photos that leave at each exit at a budget, over the stages of all of them.

        Args: standing: (K,) photos at each exit. Where a re-encoding was stopped, some stand at exits that the budget
            does not ask; their passes are drawn, too, and count as run by those photos alone.
        """
        open, last = self.open(budget), len(standing)
        found = [k for k, photos in enumerate(standing) if photos]
        shown = trace_to(self.stages, {*open, *found}, last, last).stages
        traces = [_ran(trace_to(self.stages, open, exit, exit)) for exit in range(1, last + 1)]
        return [StagesRun(shown, [(stage.name, stage.run) in ran for stage in shown]) for ran in traces]


@dataclass(frozen=True)
class Piece:
    """One box of a strip."""

    macs: int
    fill: float  # 0 hollow .. 1 filled
    run: int  # number of its pass
    new: bool = False  # run for the query on show


@dataclass(frozen=True)
class StagesRun:
    """The stages drawn for a photo, and which of them ran."""

    stages: "Sequence[Stage]"
    ran: Sequence[bool]

    @property
    def positions(self) -> dict[int, float]:
        """Where along the strip each exit lies: exit -> share of the strip's width."""
        ends = list(accumulate(stage.macs for stage in self.stages))
        return {s.exit: end / ends[-1] for s, end in zip(self.stages, ends, strict=True) if s.exit is not None}

    @property
    def reached(self) -> set[int]:
        """The exits whose stages ran."""
        return {s.exit for s, ran in zip(self.stages, self.ran, strict=True) if ran and s.exit is not None}


def trace_to(stages: "Sequence[Stage]", open: Collection[int], left: int, exit: int) -> StagesRun:
    """What runs up to an exit (1-based): the open passes until the photo left, then what a later look ran."""
    place = {stage.exit: index for index, stage in enumerate(stages) if stage.exit is not None}
    last = max(place)
    deep = stages[place[exit]].run
    asked = {stages[index].run for number, index in place.items() if number - 1 in open or number in (left, last)}
    shown = [index for index, stage in enumerate(stages) if stage.run in asked | {deep}]
    ran = [
        (stages[index].run in asked and index <= place[left]) or (stages[index].run == deep and index <= place[exit])
        for index in shown
    ]
    return StagesRun([stages[index] for index in shown], ran)


def strip(trace: StagesRun, before: StagesRun | None = None) -> str:
    """A card's strip, an ornament to the numbers beside it: one piece from each exit to the next.

    Args: before: what had been run when the query came; what came since is marked.
    """
    had = _ran(before) if before is not None else _ran(trace)
    pieces: list[Piece] = []
    macs = 0
    for index, (stage, ran) in enumerate(zip(trace.stages, trace.ran, strict=True)):
        macs += stage.macs
        last = index + 1 == len(trace.stages)
        if stage.exit is not None or last or trace.stages[index + 1].run != stage.run:
            pieces.append(Piece(macs, float(ran), stage.run, ran and (stage.name, stage.run) not in had))
            macs = 0
    return _strip(pieces, "strip", "")


def stages_strip(trace: StagesRun, label: str) -> str:
    """The selected photo's strip, stage by stage."""
    pieces = [Piece(stage.macs, float(ran), stage.run) for stage, ran in zip(trace.stages, trace.ran, strict=True)]
    return _strip(pieces, "strip", label)


def survival(traces: Sequence[StagesRun], exits: Sequence[int], label: str) -> str:
    """A gallery's strip: each stage filled up to the share of photos that ran it.

    Args:
        traces: of photos that leave at each exit, as `Drawing.traces` gives them.
        exits: (K,) photos that left at each exit.
    """
    photos = sum(exits) or 1
    stages = traces[-1].stages
    shares = [0.0] * len(stages)
    for trace, count in zip(traces, exits, strict=True):
        for index, ran in enumerate(trace.ran):
            shares[index] += count / photos * ran
    pieces = [Piece(stage.macs, min(share, 1.0), stage.run) for stage, share in zip(stages, shares, strict=True)]
    return _strip(pieces, "strip survival", label)


def lanes(places: Sequence[float]) -> list[int]:
    """The row for each mark, so that no two in one row touch; places rise from 0 to 1."""
    ends: list[float] = []
    rows = []
    for place in places:
        row = next((row for row, end in enumerate(ends) if place - end >= MARK_WIDTH), len(ends))
        ends[row : row + 1] = [place]
        rows.append(row)
    return rows


def marks(trace: StagesRun, mark: Callable[[int], tuple[str, str]]) -> str:
    """What is written under a strip, at its exits.

    Args: mark: exit -> HTML of it, and classes of its own.
    """
    places = trace.positions
    rows = lanes(list(places.values()))
    written = []
    for (exit, place), lane in zip(places.items(), rows, strict=True):
        html, classes = mark(exit)
        written.append(f'<span class="mark {classes}" style="left:{place:.2%};--lane:{lane}">{html}</span>')
    return f'<div class="marks" aria-hidden="true" style="--lanes:{1 + max(rows)}">{"".join(written)}</div>'


def _ran(trace: StagesRun) -> set[tuple[str, int]]:
    return {(stage.name, stage.run) for stage, ran in zip(trace.stages, trace.ran, strict=True) if ran}


def _strip(pieces: Sequence[Piece], kind: str, label: str) -> str:
    parts = []
    for index, piece in enumerate(pieces):
        start = " pass" if index and piece.run != pieces[index - 1].run else ""
        state = "on" if piece.fill > 0.9995 else "off" if piece.fill < 0.0005 else "part"
        level = f";--fill:{piece.fill:.3f}" if state == "part" else ""
        new = " new" if piece.new else ""
        parts.append(f'<i class="{state}{start}{new}" style="flex-grow:{piece.macs}{level}"></i>')
    says = f'role="img" aria-label="{label}"' if label else 'aria-hidden="true"'
    return f'<span class="{kind}" {says}>{"".join(parts)}</span>'
