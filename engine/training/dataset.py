"""Captioned and labelled photo sets, as lists of examples."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engine.clip.transform import Square
from engine.utils.errors import EngineError
from engine.utils.paths import GATE_PHOTOS


class DataMissing(EngineError):
    """A data folder lacks the file that makes it a captioned or labelled set."""


@dataclass(frozen=True)
class Example:
    """One photo and the texts that are true of it."""

    path: Path
    texts: tuple[str, ...]
    split: str
    label: str | None = None  # what kind of thing it shows, in a set of labels


def read_captions(folder: Path) -> list[Example]:
    """Examples of a folder with `captions.jsonl` and `images/`, in file order; raises DataMissing.

    A row has file, captions and split; those of kind "label" have a label, too.
    """
    rows = _read_rows(folder / "captions.jsonl")
    for number, row in enumerate(rows, start=1):
        if not _is_example(row):
            raise DataMissing(
                f'{folder / "captions.jsonl"}: row {number} is none; a row is {{"file": ..., "captions": [...], '
                '"split": ...}, and has a "label" where its kind is "label".'
            )
    return [
        Example(
            folder / "images" / row["file"],
            tuple(row["captions"]),
            row["split"],
            row["label"] if row.get("kind") == "label" else None,
        )
        for row in rows
    ]


def read_labels(folder: Path) -> list[Example]:
    """Examples of a folder with `labels.jsonl` (file, label) and `images/`; the text is "a photo of a LABEL"."""
    return [
        Example(folder / "images" / row["file"], (f"a photo of a {row['label']}",), "train", row["label"])
        for row in _read_rows(folder / "labels.jsonl")
    ]


def read_kinds(folder: Path) -> list[str]:
    """What the kinds in `labels.jsonl` are called, in the order of their WordNet ids."""
    rows = sorted(_read_rows(folder / "labels.jsonl"), key=lambda row: row["wnid"])
    return list({row["wnid"]: row["label"] for row in rows}.values())


def _is_example(row: object) -> bool:
    if not isinstance(row, dict):
        return False
    captions = row.get("captions")
    told = [row.get("file"), row.get("split"), *(captions if isinstance(captions, list) else [None])]
    return all(isinstance(each, str) for each in (*told, row.get("label") if row.get("kind") == "label" else ""))


def _read_rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise DataMissing(f"{path.parent} has no {path.name}; name the folder of a captioned photo set.")
    try:
        # Not splitlines, which also ends a line at signs that a caption may hold.
        return [json.loads(line) for line in path.read_text(encoding="utf-8-sig").split("\n") if line.strip()]
    except ValueError as error:
        raise DataMissing(f"{path} has a line that is not JSON ({error}).") from error


@cache
def gate_photos() -> frozenset[str]:
    """File names of the train photos that no image tower sees; what follows the towers is fitted on them, too."""
    return frozenset(GATE_PHOTOS.read_text(encoding="utf-8").split())


def load_squashed(examples: Sequence[Example], size: int) -> np.ndarray:
    """Pixels of all examples, squashed to a square.

    Returns: (N, 3, size, size) uint8; 150 kB a photo at 224 px.
    """
    square = Square(size, "squash", 0, Image.Resampling.BICUBIC)
    pixels = np.empty((len(examples), 3, size, size), dtype=np.uint8)
    for row, example in zip(pixels, examples, strict=True):
        with Image.open(example.path) as picture:
            row[:] = square.pixels(picture.convert("RGB"))
    return pixels
