"""`acceptance`: prove a model on one's own photos."""

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Random
from engine.cli.output import say


def acceptance(
    photos: Annotated[Path, typer.Option(help="Folder of photos without captions.")],
    out: Annotated[Path, typer.Option(help="Folder for the report; a run that was stopped goes on there.")],
    model: Annotated[
        str | None,
        typer.Argument(
            envvar="TGEM_MODEL",
            help="OpenCLIP model: NAME/TAG, hf-hub:ORGANISATION/NAME, or a folder.",
            show_default="the shipped model",
        ),
    ] = None,
    random_weights: Annotated[bool, Random] = False,
    data: Annotated[Path | None, typer.Option(help="Folder with captions.jsonl and images/, to evaluate on.")] = None,
    split: Annotated[str, typer.Option(help="Split of captions.jsonl to evaluate on.")] = "test",
    push: Annotated[
        str | None,
        typer.Option(help="Hub repository as ORGANISATION/NAME to push the exits to, private, and pull them from."),
    ] = None,
) -> None:
    """Try every step of bringing a model, and write one report that can be posted: acceptance.md and acceptance.json.

    Fetches the model, compares it with open_clip's own encode_image, fits exits to it, certifies them on photos that
    nothing was fitted on, evaluates, measures speed, pushes and pulls. Each step is done, skipped or failed, and says
    why; a failed one stops only those that need it. Exit code 1 where one failed. The exits stay in OUT/exits.
    """
    from engine.clip.factory import named
    from engine.evaluation.acceptance import FAILED, Asked, accept

    steps = accept(Asked(named(model, random_weights), photos, out, data, split, push), say)
    typer.echo(str(out / "acceptance.md"))
    if any(step.status == FAILED for step in steps):
        raise typer.Exit(1)
