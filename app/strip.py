"""Draws the encoder as a strip of stages, each as wide as its share of the full encoder's MACs.

Filled = computed, hollow = saved. Every photo goes up the same ladder of passes, so every strip has the same stages,
filled up to the exit that the photo stands at. A card's strip draws the stages from one exit to the next as one piece;
the selected photo's draws every stage. Passes stand apart.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.gallery import Stage

MARK_WIDTH = 0.058  # of the strip: what the numbers under a mark need to stand side by side


@dataclass(frozen=True)
class Drawing:
    """An encoder as the page draws it."""

    stages: "Sequence[Stage]"
    full_macs: int

    @property
    def leads_to(self) -> list[int]:
        """The exit (1-based) that each stage leads to."""
        found: list[int] = []
        for stage in reversed(self.stages):
            found.insert(0, stage.exit if stage.exit is not None else found[0])
        return found

    @property
    def positions(self) -> dict[int, float]:
        """Where along the strip each exit lies: exit -> share of the strip's width."""
        ends = accumulate(stage.macs for stage in self.stages)
        return {s.exit: end / self.full_macs for s, end in zip(self.stages, ends, strict=True) if s.exit is not None}


@dataclass(frozen=True)
class Piece:
    """One box of a strip."""

    macs: int
    fill: float  # 0 hollow .. 1 filled
    run: int  # number of its pass
    new: bool = False  # run for the query on show


def strip(drawing: Drawing, exit: int, before: int | None = None) -> str:
    """A card's strip, an ornament to the numbers beside it: one piece from each exit to the next.

    Args:
        exit: that the photo stands at.
        before: that it stood at when the query came; what ran since is marked.
    """
    pieces = []
    macs = 0
    for stage in drawing.stages:
        macs += stage.macs
        if stage.exit is not None:
            ran = stage.exit <= exit
            pieces.append(Piece(macs, float(ran), stage.run, ran and before is not None and stage.exit > before))
            macs = 0
    return _strip(pieces, "strip", "")


def stages_strip(drawing: Drawing, exit: int, label: str) -> str:
    """The selected photo's strip, stage by stage."""
    leads = zip(drawing.stages, drawing.leads_to, strict=True)
    return _strip([Piece(stage.macs, float(to <= exit), stage.run) for stage, to in leads], "strip", label)


def survival(drawing: Drawing, exits: Sequence[int], label: str) -> str:
    """A gallery's strip: each stage filled up to the share of photos that ran it.

    Args: exits: (K,) photos that stand at each exit.
    """
    photos = sum(exits) or 1
    leads = zip(drawing.stages, drawing.leads_to, strict=True)
    pieces = [Piece(stage.macs, sum(exits[to - 1 :]) / photos, stage.run) for stage, to in leads]
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


def marks(drawing: Drawing, mark: Callable[[int], tuple[str, str]]) -> str:
    """What is written under a strip, at its exits.

    Args: mark: exit -> HTML of it, and classes of its own.
    """
    places = drawing.positions
    rows = lanes(list(places.values()))
    written = []
    for (exit, place), lane in zip(places.items(), rows, strict=True):
        html, classes = mark(exit)
        written.append(f'<span class="mark {classes}" style="left:{place:.2%};--lane:{lane}">{html}</span>')
    return f'<div class="marks" aria-hidden="true" style="--lanes:{1 + max(rows)}">{"".join(written)}</div>'


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
