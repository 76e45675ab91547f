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
    from engine.evaluation.report import is_bench, read, renewed, summary, write
    from engine.utils.result_files import write_result

    table = read(results)
    if page and is_bench(table):
        raise EngineError("--page takes the table of an evaluation, and these results are of a bench.")
    pages = {path: renewed(path, summary(table)) for path in page or ()}  # a page is refused before any is written
    for path in write(table, results.parent, results.stem):
        say(f"{path} written")
    for path, text in pages.items():
        write_result(path.resolve(), text.encode())  # a link stays one
        say(f"{path} renewed")
