"""`train-rivals`: fit what `evaluate` compares a model's gates with."""

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Model
from engine.cli.output import say


def train_rivals(
    data: Annotated[Path, typer.Option(help="Folder with the data sets flickr8k and more_photos.")],
    out: Annotated[Path, typer.Option(help="Folder for the rivals; cached features go to its `training`.")],
    model: Annotated[str | None, Model] = None,
) -> None:
    """Fit what `evaluate --rivals OUT` compares a model's gates with.

    Those are gates of two other seeds, and with three seeds each gates without text inputs and gates whose text bank is
    random vectors.
    """
    from engine.training.rivals import train_rivals as train

    train(data, out, model, say)
