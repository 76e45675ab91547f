"""`probe`: three checks on photos that no training has seen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Model
from engine.cli.output import write_json


def probe(
    data: Annotated[Path, typer.Option(help="Folder with flickr8k, imagenet_samples and gallery_open.")],
    model: Annotated[str | None, Model] = None,
) -> None:
    """Three checks of a model on photos it was never trained on, as JSON.

    Words that no caption and no label of its training held: do they find their photo? Do the demo gallery's queries?
    And which way of making a photo of any shape square finds photos best?

    flickr8k and imagenet_samples are those of `train-mini`. gallery_open holds `captions.jsonl` (file, captions, which
    may be empty, and split) and `images/`: the photos that `engine/training/unseen_words.json` names and any others;
    those called animal_NAME or crop_NAME are also searched by their names.
    """
    from engine.training.aspect import demo_gallery, resize_modes
    from engine.training.unseen import unseen_words

    write_json(
        {
            "unseen_words": unseen_words(data, model),
            "demo_gallery": demo_gallery(model),
            "resize_modes": resize_modes(data, model),
        }
    )
