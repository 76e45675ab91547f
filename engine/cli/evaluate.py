"""`evaluate`: recall and fidelity against compute."""

from pathlib import Path
from typing import Annotated, Any

import typer

from engine.cli.options import Json, Model
from engine.cli.output import say, write_json
from engine.utils.errors import EngineError


def evaluate(
    data: Annotated[
        list[Path],
        typer.Option(help="Folder with captions.jsonl and images/, or of photos alone; can be given again."),
    ],
    split: Annotated[str, typer.Option(help="Split of captions.jsonl to report on.")] = "test",
    model: Annotated[str | None, Model] = None,
    policies: Annotated[
        str,
        typer.Option(help="Policies to measure, separated by commas; a name that is none is answered with the list."),
    ] = "all",
    rivals: Annotated[Path | None, typer.Option(help="Folder that `train-rivals` wrote: other gates.")] = None,
    as_json: Json = False,
) -> None:
    """Measure recall, and fidelity to full depth, against compute: every exit, T-GEM, second looks, rivals.

    A row of captions.jsonl has file, captions and split; rows of kind "label" have a label, and are measured by how
    often it fits best among all labels of the split. For photos without captions it says where they leave.

    Nothing is trained. Compute is counted in multiply-accumulates (MACs) that ran, readouts and gates included, as a
    share of full depth's.
    """
    from engine.evaluation.evaluate import POLICIES
    from engine.evaluation.evaluate import evaluate as measure

    wanted = tuple(POLICIES) if policies == "all" else tuple(name.strip() for name in policies.split(","))
    if unknown := sorted(set(wanted) - set(POLICIES)):
        raise EngineError(f"{unknown[0]} is no policy; choose from {', '.join(POLICIES)}.")
    if set(wanted) == {"ablation"} and rivals is None:
        raise EngineError("The policy ablation measures rivals; name their folder by --rivals.")
    results = measure(data, split, model, wanted, rivals, say)
    if as_json:
        write_json(results)
    else:
        typer.echo("\n\n".join("\n".join(evaluation_lines(table)) for table in results.get("sets", [results])))


def evaluation_lines(table: dict[str, Any]) -> list[str]:
    """The table of a set, for a person."""
    from engine.evaluation.evaluate import lines_of

    split = f", split {table['split']}" if table["split"] else ""
    title = f"{table['model']} on {table['data']}{split}: {table['images']} photos, {table['captions']} captions"
    if not table["rows"]:  # second looks on labels, say, or other exits than the first where there is one
        return [title, "None of these policies has anything to measure here; choose others by --policies."]
    if "fidelity" in table["rows"][0]:
        return [title, *lines_of(table["rows"])]
    left = (f"budget {row['setting']:g}: {row['exits']}, {row['macs_share']:.0%}" for row in table["rows"])
    return [title, "photos that leave at each exit, and their mean MACs share", *left]
