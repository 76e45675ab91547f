"""`report`: tables and figures of an evaluation."""

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.output import say
from engine.utils.errors import EngineError


def report(
    results: Annotated[Path, typer.Argument(help="What `evaluate --json` or `bench --json` printed, as a file.")],
    page: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="A page whose table is renewed too; can be given again."),
    ] = None,
) -> None:
    """Write tables of results beside them, and figures of an evaluation.

    Figures need matplotlib, which `pip install -r requirements-train.txt` brings.

    With --page, the short tables of an evaluation replace what stands between the page's markers.
    """
    from engine.evaluation.report import is_bench, put_into, read, summary, write, write_bench

    table = read(results)
    if is_bench(table):
        if page:
            raise EngineError("--page takes the table of an evaluation, and these results are of a bench.")
        written = write_bench(table, results.parent, results.stem)
    else:
        written = write(table, results.parent, results.stem)
    for path in written:
        say(f"{path} written")
    for path in page or ():
        put_into(path, summary(table))
        say(f"{path} renewed")
