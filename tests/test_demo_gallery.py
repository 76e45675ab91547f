"""The shipped model on the shipped photos: names of things find their photo, also at less than full depth."""

import json

import numpy as np
import pytest

from engine.encoder import Encoder, load_encoder
from engine.images import open_picture
from engine.intake import folder_uploads
from engine.training.aspect import GALLERY


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder()


@pytest.fixture(scope="module")
def photos(encoder: Encoder) -> dict[str, np.ndarray]:
    return {u.name: encoder.preprocess(open_picture(u.read(), u.name).rgb) for u in folder_uploads(GALLERY)}


def ranks(encoder: Encoder, vectors: np.ndarray, files: list[str]) -> np.ndarray:
    asked = json.loads((GALLERY / "queries.json").read_text(encoding="utf-8"))
    scores = encoder.encode_text([row["query"] for row in asked]) @ vectors.T
    own = scores[np.arange(len(asked)), [files.index(row["file"]) for row in asked]]
    return (scores > own[:, None]).sum(1) + 1


def test_queries_find_their_photo_at_full_depth(encoder: Encoder, photos: dict[str, np.ndarray]) -> None:
    found = ranks(encoder, encoder.encode_to(np.stack(list(photos.values())), encoder.exits), list(photos))
    assert (found == 1).mean() >= 0.75
    assert (found <= 3).mean() >= 0.9


def test_queries_find_their_photo_with_the_gates(encoder: Encoder, photos: dict[str, np.ndarray]) -> None:
    encodings = encoder.encode(np.stack(list(photos.values())))
    assert np.mean([e.macs for e in encodings]) < 0.9 * encoder.full_macs
    assert len({e.exit for e in encodings}) > 1
    found = ranks(encoder, np.stack([e.vector for e in encodings]), list(photos))
    assert (found <= 3).mean() >= 0.75
