"""The one look of the page: the encoder as a strip of stages. Filled = computed, hollow = saved."""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.ladder import Stage

MARK_WIDTH = 0.058  # of the strip: what the numbers under a mark need to stand side by side


def stages_run(stages: "Sequence[Stage]", exit: int) -> int:
    """How many of the stages a photo ran that left at an exit."""
    return next(count for count, stage in enumerate(stages, start=1) if stage.exit == exit)


def positions(stages: "Sequence[Stage]") -> dict[int, float]:
    """Where along the strip each exit lies: exit -> share of the strip's width."""
    ends = list(accumulate(stage.macs for stage in stages))
    return {stage.exit: end / ends[-1] for stage, end in zip(stages, ends, strict=True) if stage.exit is not None}


def strip(stages: "Sequence[Stage]", exit: int, label: str = "") -> str:
    """A photo's strip; without a label it is an ornament to the numbers beside it."""
    run = stages_run(stages, exit)
    return _strip(stages, lambda index: 1.0 if index < run else 0.0, "strip", label)


def survival(stages: "Sequence[Stage]", exits: Sequence[int], label: str) -> str:
    """A gallery's strip: each stage filled up to the share of photos that ran it.

    Args:
        exits: (K,) photos that left at each exit.
    """
    photos = sum(exits)
    last = [stages_run(stages, exit) for exit in range(1, len(exits) + 1)]
    shares = [
        sum(count for count, run in zip(exits, last, strict=True) if index < run) / photos
        for index in range(len(stages))
    ]
    return _strip(stages, shares.__getitem__, "strip survival", label)


def lanes(places: Sequence[float]) -> list[int]:
    """The row for each mark, so that no two in one row touch; places rise from 0 to 1."""
    ends: list[float] = []
    rows = []
    for place in places:
        row = next((row for row, end in enumerate(ends) if place - end >= MARK_WIDTH), len(ends))
        ends[row : row + 1] = [place]
        rows.append(row)
    return rows


def _strip(stages: "Sequence[Stage]", filled: Callable[[int], float], kind: str, label: str) -> str:
    parts = []
    for index, stage in enumerate(stages):
        # A pass over another input size is a run of its own.
        start = " pass" if index and stage.size != stages[index - 1].size else ""
        fill = filled(index)
        state = "on" if fill == 1 else "off" if fill == 0 else "part"
        level = f";--fill:{fill:.3f}" if state == "part" else ""
        parts.append(f'<i class="{state}{start}" style="flex-grow:{stage.macs}{level}"></i>')
    says = f'role="img" aria-label="{label}"' if label else 'aria-hidden="true"'
    return f'<span class="{kind}" {says}>{"".join(parts)}</span>'
