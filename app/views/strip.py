"""Draws the encoder as a strip of stages, each as wide as its share of the full encoder's MACs.

Filled = computed, hollow = saved. The full encoder is the whole width of a strip, so the filled part is as wide as the
share that ran for the photo. A card's strip draws the stages from one exit to the next as one piece; the selected
photo's draws every stage. A line parts two passes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.gallery import Stage

SAME = 1e-6  # shares that differ by less are one
MARK_WIDTH = 0.058  # of the strip: what the numbers under a mark need to stand side by side


@dataclass(frozen=True)
class Drawing:
    """An encoder as the page draws it."""

    stages: "Sequence[Stage]"
    full_macs: int
    usual_affinity: float = 0.0  # how well a photo is usually fitted by texts, a cosine; 0: not known

    @property
    def leads_to(self) -> list[int]:
        """The exit (1-based) that each stage leads to."""
        found: list[int] = []
        for stage in reversed(self.stages):
            found.insert(0, stage.exit if stage.exit is not None else found[0])
        return found

    @property
    def ends(self) -> "list[tuple[float, Stage]]":
        """The stages, each after where along the strip it ends: a share of its width."""
        ends = accumulate(stage.macs for stage in self.stages)
        return [(end / self.full_macs, stage) for end, stage in zip(ends, self.stages, strict=True)]

    @property
    def positions(self) -> dict[int, float]:
        """Where along the strip each exit lies: exit -> share of the strip's width."""
        return {stage.exit: end for end, stage in self.ends if stage.exit is not None}


def strip(drawing: Drawing, share: float, before: float | None = None) -> str:
    """A card's strip, an ornament to the numbers beside it: one piece from each exit to the next.

    Args:
        share: of the full encoder's compute that ran for the photo; so much of the strip's width is filled.
        before: the share that had run when the query came; what ran since is marked.
    """
    ends = [(end, stage.pass_number) for end, stage in drawing.ends if stage.exit is not None]
    return _strip(ends, share, before, "")


def stages_strip(drawing: Drawing, share: float, label: str, before: float | None = None) -> str:
    """The selected photo's strip, stage by stage; see `strip`."""
    return _strip([(end, stage.pass_number) for end, stage in drawing.ends], share, before, label)


def survival(drawing: Drawing, exits: Sequence[int], label: str) -> str:
    """A gallery's strip: each stage filled from below up to the share of photos that ran it.

    Args: exits: (K,) photos that stand at each exit.
    """
    photos, pieces, run = sum(exits) or 1, [], drawing.stages[0].pass_number
    for stage, to in zip(drawing.stages, drawing.leads_to, strict=True):
        level = sum(exits[to - 1 :]) / photos
        state = "on" if level > 1 - SAME else "off" if level < SAME else "part"
        more = f";--fill:{level:.3f}" if state == "part" else ""
        pieces.append(_piece(state + " pass" * (stage.pass_number != run), stage.macs / drawing.full_macs, more))
        run = stage.pass_number
    return f'<span class="strip survival" role="img" aria-label="{label}">{"".join(pieces)}</span>'


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


def _strip(ends: Sequence[tuple[float, int]], share: float, before: float | None, label: str) -> str:
    """Pieces side by side, as wide as their shares of the whole: no gap takes of their widths.

    Args: ends: where along the strip each piece ends, 0 to 1, and the pass that it belongs to.
    """
    share = min(max(share, 0.0), 1.0)
    pieces, start, last = [], 0.0, ends[0][1]
    for end, run in ends:
        cuts = sorted(cut for cut in (share, before) if cut is not None and start + SAME < cut < end - SAME)
        for until in (*cuts, end):
            ran = until <= share + SAME
            new = ran and before is not None and start >= before - SAME
            kind = ("on" if ran else "off") + " pass" * (run != last) + " new" * new
            pieces.append(_piece(kind, until - start))
            start, last = until, run
    says = f'role="img" aria-label="{label}"' if label else 'aria-hidden="true"'
    return f'<span class="strip" data-share="{share:.4f}" {says}>{"".join(pieces)}</span>'


def _piece(kind: str, width: float, more: str = "") -> str:
    return f'<i class="{kind}" style="width:{width:.4%}{more}"></i>'
