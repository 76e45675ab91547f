"""Photos for each step of a fit: no photo is in two of them, and a copy of a photo is no other photo."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from engine.ingest.archives import is_archive
from engine.ingest.listing import picture_files, require_folder
from engine.training.dataset import Example
from engine.utils.errors import EngineError

FEWEST = 100  # photos; a tenth of them set the budgets' prices
BOUNDS = (0.0, 0.6, 0.75, 0.85, 1.0)  # of photos without captions, between the steps


class TooFewPhotos(EngineError):
    """A photo set that is too small, or too much of one kind, to fit exits on."""


@dataclass(frozen=True)
class Splits:
    """Photos for each step of a fit; no photo is in two of them."""

    readouts: list[Example]
    gates: list[Example]
    prices: list[Example]
    curve: list[Example]

    @property
    def all(self) -> list[Example]:
        """Every photo."""
        return [*self.readouts, *self.gates, *self.prices, *self.curve]

    @property
    def captioned(self) -> bool:
        """Whether the photos have captions."""
        return any(example.texts for example in self.readouts)


def split_captions(examples: Sequence[Example]) -> Splits:
    """A captioned set by its splits train, of which a quarter is for the gates, and val, which is halved: whether exits
    pay is decided on one half, and never on a split that `evaluate` reports on. Copies count once, in train if there.
    """
    parts = [[e for e in examples if e.split == name] for name in ("train", "val")]
    kept = set(distinct([e.path for part in parts for e in part]))
    train, val = ([e for e in part if e.path in kept] for part in parts)
    readouts, gates = ([e for e in train if (_place(e) < 0.75) is first] for first in (True, False))
    prices, curve = ([e for e in val if (_place(e) < 0.5) is first] for first in (True, False))
    return _checked(Splits(readouts, gates, prices, curve))


def split_photos(paths: Sequence[Path]) -> Splits:
    """Photos without captions: for the readouts, the gates, the prices, and the rest for the certificate."""
    examples = [Example(path, (), "") for path in distinct(paths)]
    if len(paths) >= FEWEST > len(examples):
        raise TooFewPhotos(
            f"Of these {len(paths)} photos only {len(examples)} differ, the others are copies: exits cannot be fitted "
            f"on fewer than {FEWEST}."
        )
    splits = _dealt(examples, [_place(example) for example in examples])
    if examples and not all(vars(splits).values()):  # names are alike, or from one end of the range
        ranked = sorted(examples, key=lambda example: hashlib.sha256(os.fsencode(example.path)).digest())
        splits = _dealt(ranked, [place / len(ranked) for place in range(len(ranked))])
    return _checked(splits)


def _dealt(examples: Sequence[Example], places: Sequence[float]) -> Splits:
    """Photos by where they stand between 0 and 1."""
    pairs = list(zip(examples, places, strict=True))
    return Splits(*([e for e, place in pairs if low <= place < high] for low, high in pairwise(BOUNDS)))


def distinct(paths: Sequence[Path]) -> list[Path]:
    """The same files, each content once."""
    known: dict[bytes, Path] = {}
    for path in paths:
        try:
            content = hashlib.sha256(path.read_bytes()).digest()
        except OSError:  # it is said, and left out, where photos are run
            content = os.fsencode(path)
        known.setdefault(content, path)
    return list(known.values())


def folder_photos(folder: Path) -> list[Path]:
    """The photos below a folder, hidden ones left out; none where it holds none; raises FolderMissing."""
    require_folder(folder)
    return sorted(path for path in picture_files(folder) if path.is_file() and not is_archive(path.name))


def _checked(splits: Splits) -> Splits:
    many = len(splits.all)
    if not many:
        raise TooFewPhotos(f"There are no photos to fit exits on: at least {FEWEST} are needed.")
    if many < FEWEST or not all(vars(splits).values()):
        raise TooFewPhotos(
            f"Exits cannot be fitted on {many} photos: at least {FEWEST} are needed, captioned ones in the splits "
            "train and val."
        )
    return splits


def _place(example: Example) -> float:
    """Where a photo stands between 0 and 1, by its name alone: it lands in the same split every time."""
    return int.from_bytes(hashlib.sha256(example.path.name.encode()).digest()[:4], "big") / 2**32
