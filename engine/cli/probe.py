"""`probe`: two checks on photos that training never saw."""

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
    """Check a model on photos it was never trained on, as JSON.

    Words that no caption and no label of its training held: do they find their photo? Do the demo gallery's queries?

    flickr8k and imagenet_samples are those of `train-mini`. gallery_open holds `captions.jsonl` (file, captions, which
    may be empty, and split) and `images/`: the photos that `engine/training/unseen_words.json` names, and any others.
    """
    from engine.evaluation.probe import demo_gallery, unseen_words

    write_json({"unseen_words": unseen_words(data, model), "demo_gallery": demo_gallery(model)})
