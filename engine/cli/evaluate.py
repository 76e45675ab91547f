"""`evaluate`: recall against compute."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from engine.cli.options import Data, Json, Model
from engine.cli.output import say, write_json


def evaluate(
    data: Annotated[Path, Data],
    split: Annotated[str, typer.Option(help="Photos to use: those with this split in captions.jsonl.")] = "test",
    model: Annotated[str | None, Model] = None,
    policies: Annotated[str, typer.Option(help="Which to measure: all, or some of their names with commas.")] = "all",
    rivals: Annotated[
        Path | None, typer.Option(help="Folder that `train-rivals` wrote: a smaller model, other gates.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure recall against compute: full depth, every exit, the exit modules, with and without deepening.

    Nothing is trained. Compute is counted in multiply-accumulates (MACs), readouts and gates included, as a share of
    the bare full encoder's.
    """
    from engine.evaluation.evaluate import POLICIES
    from engine.evaluation.evaluate import evaluate as measure

    wanted = POLICIES if policies == "all" else tuple(name.strip() for name in policies.split(","))
    if unknown := sorted(set(wanted) - set(POLICIES)):
        raise typer.BadParameter(f"{unknown[0]} is no policy; choose from {', '.join(POLICIES)}.")
    table = measure(data, split, model, wanted, rivals, say)
    if as_json:
        write_json(table)
    else:
        typer.echo("\n".join(evaluation_lines(table)))


def evaluation_lines(table: dict[str, Any]) -> list[str]:
    """The table of an evaluation, for a person."""
    title = f"{table['model']} on {table['data']}, split {table['split']}:"
    lines = [
        f"{title} {table['images']} photos, {table['captions']} captions",
        f"{'':41}text to image           image to text        a query",
        f"{'policy':26}  setting  MACs     R@1    R@5   R@10      R@1    R@5   R@10    encodings",
    ]
    for row in table["rows"]:
        recalls = "   ".join(" ".join(f"{row[way][k]:6.1f}" for k in ("r1", "r5", "r10")) for way in ("t2i", "i2t"))
        spent = f"   {row['macs_per_query']:8.1f}" if "macs_per_query" in row else ""
        lines.append(f"{row['policy']:26}  {row['setting']:7g}  {row['macs_share']:4.0%}  {recalls}{spent}")
    return lines
