"""`evaluate`: recall against compute."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from engine.cli.options import BadOption, Data, Json, Model
from engine.cli.output import say, write_json


def evaluate(
    data: Annotated[Path, Data],
    split: Annotated[str, typer.Option(help="Split of captions.jsonl to report on.")] = "test",
    model: Annotated[str | None, Model] = None,
    policies: Annotated[str, typer.Option(help="Policies to measure, separated by commas.")] = "all",
    rivals: Annotated[
        Path | None, typer.Option(help="Folder that `train-rivals` wrote: a smaller model, other gates.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure recall against compute on a captioned set: full depth, every exit, T-GEM, second looks, rivals.

    Nothing is trained. Compute is counted in multiply-accumulates (MACs) that ran, readouts and gates included, as a
    share of full depth's.
    """
    from engine.evaluation.evaluate import POLICIES
    from engine.evaluation.evaluate import evaluate as measure

    wanted = POLICIES if policies == "all" else tuple(name.strip() for name in policies.split(","))
    if unknown := sorted(set(wanted) - set(POLICIES)):
        raise BadOption(f"{unknown[0]} is no policy; choose from {', '.join(POLICIES)}.")
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
