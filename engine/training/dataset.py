"""Captioned and labelled photo sets, as lists of examples."""

import json
from codecs import BOM_UTF8
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engine.clip.transform import Square
from engine.utils.errors import EngineError, first_line
from engine.utils.paths import GATE_PHOTOS

KINDS = 1000  # of ImageNet


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

    A row has file, captions and split; those of kind "label", or without captions, may have a label, too. Rows of one
    file are one example.
    """
    form = '{"file": ..., "captions": [...], "split": ...}, in a labelled set also with "kind": "label", "label": ...'
    found: dict[tuple[Path, bool], Example] = {}  # one with captions may have a label apart
    for row in _read_rows(folder / "captions.jsonl", _is_example, form):
        path = folder / "images" / row["file"]
        example = Example(path, tuple(row["captions"]), row["split"], row["label"] if _is_labelled(row) else None)
        key = path, example.label is None
        if (known := found.get(key)) is not None:
            if (known.split, known.label) != (example.split, example.label):
                raise DataMissing(
                    f"{folder / 'captions.jsonl'}: the rows of {row['file']} name different splits or labels; "
                    "make them agree."
                )
            new = (text for text in dict.fromkeys(example.texts) if text not in known.texts)
            example = replace(known, texts=(*known.texts, *new))
        found[key] = example
    return list(found.values())


def read_labels(folder: Path) -> list[Example]:
    """Examples of a folder with `labels.jsonl` and `images/`, the text is "a photo of a LABEL"; raises DataMissing."""
    return [
        Example(folder / "images" / row["file"], (f"a photo of a {row['label']}",), "train", row["label"])
        for row in _read_kind_rows(folder)
    ]


def read_kinds(folder: Path) -> list[str]:
    """What the kinds in `labels.jsonl` are called, in the order of their WordNet ids; raises DataMissing."""
    rows = sorted(_read_kind_rows(folder), key=lambda row: row["wnid"])
    found = list({row["wnid"]: row["label"] for row in rows}.values())
    if len(found) != KINDS:  # the classifier's outputs have no names but their places in this order
        raise DataMissing(f"{folder / 'labels.jsonl'} names {len(found)} kinds; it must name ImageNet's {KINDS}.")
    return found


def _is_example(row: object) -> bool:
    if not isinstance(row, dict):
        return False
    captions = row.get("captions")
    told = [row.get("file"), row.get("split"), *(captions if isinstance(captions, list) else [None])]
    return all(isinstance(each, str) for each in (*told, row.get("label") if _is_labelled(row) else ""))


def _is_labelled(row: dict[str, Any]) -> bool:
    """Whether a photo is measured by its label: it says so, or has no captions to be measured by."""
    return row.get("kind") == "label" or bool(row.get("label") and not row.get("captions"))


def _read_kind_rows(folder: Path) -> list[dict[str, Any]]:
    names = ("file", "wnid", "label")

    def is_kind(row: object) -> bool:
        return isinstance(row, dict) and all(isinstance(row.get(name), str) for name in names)

    return _read_rows(folder / "labels.jsonl", is_kind, '{"file": ..., "wnid": ..., "label": ...}')


def _read_rows(path: Path, is_row: Callable[[object], bool], form: str) -> list[dict[str, Any]]:
    """Rows of a JSON Lines file; raises DataMissing where one is none, with the form that rows have."""
    if not path.is_file():
        raise DataMissing(f"{path.parent} has no {path.name}; name the folder of a captioned photo set.")
    rows: list[dict[str, Any]] = []
    # Not splitlines, which also ends a line at signs that a caption may hold.
    for number, line in enumerate(path.read_bytes().removeprefix(BOM_UTF8).split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode("utf-8"))
        except ValueError as error:
            raise DataMissing(f"{path}: row {number} is not JSON in UTF-8; a row is {form}.") from error
        if not is_row(row):
            raise DataMissing(f"{path}: row {number} is none; a row is {form}.")
        rows.append(row)
    return rows


def require_texts(examples: Sequence[Example], what: str) -> None:
    """Raise DataMissing unless there are examples, which are `what`, and each has a text."""
    if not examples:
        raise DataMissing(f"There are no {what}; add some.")
    bare = [example.path for example in examples if not example.texts]
    if bare:
        raise DataMissing(
            f"{len(bare)} of the {what} have no captions, {bare[0].name} among them; add some, or take out their rows."
        )


@cache
def gate_photos() -> frozenset[str]:
    """File names of the train photos that no image tower sees; what follows the towers is fitted on them, too."""
    return frozenset(GATE_PHOTOS.read_text(encoding="utf-8").split())


def load_squashed(examples: Sequence[Example], size: int) -> np.ndarray:
    """Pixels of all examples, squashed to a square.

    Returns: (N, 3, size, size) uint8; 150 kB a photo at 224 px.
    Raises: DataMissing where one cannot be read.
    """
    square = Square(size, "squash", 0, Image.Resampling.BICUBIC)
    pixels = np.empty((len(examples), 3, size, size), dtype=np.uint8)
    for row, example in zip(pixels, examples, strict=True):
        try:
            with Image.open(example.path) as picture:
                row[:] = square.pixels(picture.convert("RGB"))
        except Exception as error:  # decoders raise whatever they stumble over
            raise DataMissing(
                f"{example.path} cannot be read ({first_line(error)}); mend it, or take its row out of the set."
            ) from error
    return pixels
