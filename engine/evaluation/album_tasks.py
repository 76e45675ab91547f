"""What album evaluations sort: albums written beforehand for captioned photos, and the labels of labelled ones."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.albums.album import Album
from engine.albums.yaml_file import read_albums, read_yaml
from engine.training.dataset import Example

ALBUMS = Path(__file__).with_name("flickr8k_albums.yaml")
CAPTIONS = 2  # of five that hold an album's word make a photo one of the album


@dataclass(frozen=True, eq=False)
class Task:
    """Photos and the albums that they are sorted into."""

    albums: Sequence[Album]
    rows: np.ndarray  # (n,) numbers of photos of a set
    truth: np.ndarray  # (n, A + 1) bool: the albums that are right, none of them last


def written_tasks(examples: Sequence[Example], phrases: int) -> list[Task]:
    """The albums of `ALBUMS`, all photos into each lot of them.

    One, five or twenty albums have a phrase each, their first; a hundred phrases are all five of each of the twenty.
    """
    albums = read_albums(ALBUMS)
    words = {name: set(said) for name, said in read_yaml(ALBUMS)["words"].items()}
    true = np.array([[_holds(example, words[album.name]) for album in albums] for example in examples])
    if phrases <= len(albums):
        albums = tuple(Album(album.name, album.phrases[:1]) for album in albums)
    lot = min(phrases, len(albums))
    tasks = []
    for start in range(0, len(albums), lot):
        own = true[:, start : start + lot]
        truth = np.hstack([own, ~own.any(1, keepdims=True)])
        tasks.append(Task(albums[start : start + lot], np.arange(len(examples)), truth))
    return tasks


def _holds(example: Example, words: set[str]) -> bool:
    return sum(bool(words & set(re.findall("[a-z]+", text.lower()))) for text in example.texts) >= CAPTIONS


def label_tasks(labels: Sequence[str], phrases: int) -> list[Task]:
    """Labels dealt into lots of so many albums: the photos of each lot, and as many others that are of none."""
    names, draw, tasks = sorted(set(labels)), np.random.default_rng(0), []
    order = draw.permutation(len(names))
    own = np.array([names.index(label) for label in labels])
    for start in range(0, len(names) - phrases + 1, phrases):
        lot = order[start : start + phrases]
        rows = np.flatnonzero(np.isin(own, lot))
        others = np.setdiff1d(np.arange(len(own)), rows)
        others = draw.choice(others, min(len(rows), len(others)), replace=False)
        place = np.concatenate([[list(lot).index(label) for label in own[rows]], np.full(len(others), phrases)])
        truth = np.eye(phrases + 1, dtype=bool)[place.astype(int)]
        albums = [Album(names[number], (names[number],)) for number in lot]
        tasks.append(Task(albums, np.concatenate([rows, others]), truth))
    return tasks
