"""`bench`: measure speed."""

from typing import Annotated, Literal

import typer

from engine.cli.options import Json, Model, Random
from engine.cli.output import say, write_json


def bench(
    model: Annotated[list[str] | None, Model] = None,
    random_weights: Annotated[bool, Random] = False,
    batch: Annotated[list[int] | None, typer.Option(min=1, help="Batch size; can be given again.")] = None,
    modes: Annotated[
        str | None,
        typer.Option(help="Modes, separated by commas: bare, full, tgem, exit:K.", show_default="all that a model has"),
    ] = None,
    precision: Annotated[
        Literal["float32", "bfloat16"],
        typer.Option(help="Precision of all modes but bare, which is float32."),
    ] = "float32",
    as_json: Json = False,
) -> None:
    """Measure speed: open_clip's own loop (bare), full depth, every exit, and the gates (tgem).

    The photos are those of the demo gallery. Modes take turns; the median of seven rounds counts. A model without exit
    weights gets untrained ones.
    """
    from engine.clip.factory import named
    from engine.evaluation.speed import BATCHES, promises
    from engine.evaluation.speed import bench as measure

    names = [named(name, random_weights) for name in model] if model else [named(None, random_weights)]
    table = measure(names, batch or BATCHES, [m.strip() for m in modes.split(",")] if modes else None, say, precision)
    for row, kept in promises(table["rows"]):
        say(f"{row['model']}  {row['mode']:8} batch {row['batch']:<4} {kept:.2f} of what its MACs promise")
    if as_json:
        write_json(table)
