"""Data sets to be measured: what each is called, and what is said of a photo that cannot be read."""

import os
from collections.abc import Sequence
from pathlib import Path

from engine.ingest.image import ImageRejected
from engine.training.dataset import DataMissing
from engine.utils.errors import EngineError


def names_of(folders: Sequence[Path]) -> list[str]:
    """What the results call each folder: its own name, with those above where that tells folders apart.

    Raises: EngineError where one is named twice.
    """
    whole = [Path(os.path.abspath(folder)).parts for folder in folders]
    if len(set(whole)) < len(whole):
        raise EngineError("One of the sets is named twice; name each once.")
    depth = 1
    while len({parts[-depth:] for parts in whole}) < len(whole):
        depth += 1
    return ["/".join(part.strip("/\\:") for part in parts[-depth:]).lstrip("/") for parts in whole]


def unreadable(photo: ImageRejected) -> DataMissing:
    """The error of a photo that cannot be left out, as what is true of it counts."""
    return DataMissing(f"{photo.name} cannot be read ({photo.reason}); mend it, or take its row out of captions.jsonl.")
