"""`report`: tables and figures of an evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.output import say


def report(
    results: Annotated[Path, typer.Argument(help="What `evaluate --json` printed, as a file.")],
    page: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="A page whose table is renewed too; can be given again."),
    ] = None,
) -> None:
    """Write an evaluation's tables and figures beside its results (`pip install -r requirements-train.txt`)."""
    from engine.evaluation.report import put_into, read, summary, write
    from engine.search.allocation import WORTH

    table = read(results)
    for path in write(table, results.parent, results.stem, WORTH):
        say(f"{path} written")
    for path in page or ():
        put_into(path, summary(table, WORTH))
        say(f"{path} renewed")
