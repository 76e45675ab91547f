"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.exits.budget import BUDGET_GRID, DEFAULT_BUDGET

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout, for programs.")]

Data = typer.Option(help="Folder with captions.jsonl (file, captions, split) and images/.")
Budget = typer.Option(
    min=BUDGET_GRID[0],
    max=BUDGET_GRID[-1],
    help="Mean share of the full encoder's work to spend on a photo, to the nearest twentieth.",
    show_default=f"the gallery's last, or else {DEFAULT_BUDGET}",
)
Guides = typer.Option(help="File with what people will look for, a phrase a line: photos that show it go deeper.")
Only = typer.Option("--only", help="Use these guide texts in place of the general ones, not beside them.")
Model = typer.Option(
    envvar="TGEM_MODEL",
    help="NAME/TAG of an OpenCLIP model, hf-hub:ORGANISATION/NAME, or a folder as local-dir:PATH.",
    show_default="the shipped model",
)
Random = typer.Option("--random-weights", help="Give the architecture NAME weights from a fixed seed; fetches nothing.")
