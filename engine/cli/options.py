"""Options that several commands have, and the error of what a command line names."""

from math import isclose
from typing import Annotated

import typer

from engine.exits.budget import BUDGET_GRID, DEFAULT_BUDGET
from engine.utils.errors import EngineError

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout, for programs.")]

Data = typer.Option(help="Folder with captions.jsonl (file, captions, split) and images/.")


def _of_the_grid(budget: float | None) -> float | None:
    if budget is None or any(isclose(budget, each) for each in BUDGET_GRID):
        return budget
    near = sorted(BUDGET_GRID, key=lambda each: abs(each - budget))[:2]
    raise EngineError(f"A budget is in steps of 0.05: take {min(near):g} or {max(near):g} in place of {budget:g}.")


Budget = typer.Option(
    min=BUDGET_GRID[0],
    max=BUDGET_GRID[-1],
    callback=_of_the_grid,
    help="Mean share of the full encoder's compute to spend on a photo, in steps of 0.05.",
    show_default=f"the gallery's last, or else {DEFAULT_BUDGET}",
)
Phrases = typer.Option(
    help="File of phrases that people will search for, one a line. Photos that clearly show one, or none, stop early."
)
Model = typer.Option(
    envvar="TGEM_MODEL",
    help="OpenCLIP model: NAME/TAG, hf-hub:ORGANISATION/NAME, or a folder as local-dir:PATH.",
    show_default="the shipped model",
)
Random = typer.Option(
    "--random-weights", help="Give the architecture NAME random weights from a fixed seed; fetches nothing."
)
