"""`train-small`: train the smaller model beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Model
from engine.cli.output import say


def train_small(
    data: Annotated[Path, typer.Option(help="Folder with the data sets flickr8k and imagenet_samples.")],
    model: Annotated[str | None, Model] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Length of the run; a step is 200 photos.", show_default="as for train-mini"),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
) -> None:
    """Train the smaller model that `evaluate` sets beside the embedded one (needs requirements-train.txt)."""
    from engine.training.small import train_small as train

    length = {} if steps is None else {"steps": steps}
    train(data, model, resume=resume, say=say, **length)
