from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from engine.evaluation import subjects
from engine.evaluation.photo_set import PhotoSet
from engine.evaluation.subjects import known_labels, named_subjects, subjects_of
from engine.exits.budget import SLOPE
from tests import five_photos


def test_subjects_are_words_that_some_captions_hold_the_commonest_first() -> None:
    captions = ["Two dogs run.", "A dog sleeps.", "A cat.", "Birds.", "The sea at night.", *["A man walks."] * 15]
    texts = ("a cat", "a dog", "the sea", "a man", "a red car", "a tree")
    found = subjects_of(captions, texts)
    assert {text: rows.tolist() for text, rows in found.items()} == {"a dog": [0, 1], "a cat": [2], "the sea": [4]}
    assert next(iter(found)) == "a dog"


def test_a_named_subject_is_set_beside_the_same_exits_at_random(
    five: PhotoSet, dealt: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subjects, "COMMONEST", 0.5)
    # Gates that know a colour run the photo that shows it deeper.
    exits = {"red": (0, 1, 0, 0, 0), "blue": (0, 0, 2, 0, 0), "green": (0, 0, 0, 2, 0)}

    def looking_for(phrases: Sequence[str]) -> Any:
        (phrase,) = phrases
        return five_photos.encoder(decide=lambda trace: five_photos.decided(exits[phrase]))

    texts = ["red", "red", "red", "blue", "blue", "blue", "green"]
    photos = replace(five, encoder=five_photos.encoder(looking_for=looking_for), texts=texts)
    columns = ("gates", "captions", "macs_share", "r1", "r10", "more", "error")
    assert [tuple(row[name] for name in columns) for row in named_subjects(photos)] == [
        ("know the subject", 7, 0.3171, 71.43, 100, 0, 0),
        ("the same, dealt at random", 7, 0.3171, 28.57, 71.43, 28.57, 22.11),
        ("general", 7, 0.42, 42.86, 71.43, 28.57, 22.11),
        ("full depth", 7, 1, 85.71, 100, 0, 0),
    ]


def test_known_labels_are_judged_group_by_group_at_one_cost(five: PhotoSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subjects, "KNOWN", (1, 3, 4))
    monkeypatch.setattr(subjects, "BUDGETS", (0.4,))
    known = five_photos.encoder(decide=lambda trace: five_photos.decided((0, 1, 2, 0, 0)))
    # General gates let the second and the third photo go at dearer prices: for 0.42 at the last and the second exit.
    asks = torch.tensor([[0, 0], [2, 2], [2, 1], [0, 0], [0, 0]])
    general = five_photos.encoder(looking_for=lambda phrases: known, leanings=lambda trace: -SLOPE * asks)
    features = five.features.described_by(torch.eye(3), torch.arange(3))
    photos = replace(
        five, encoder=general, features=features, texts=five_photos.COLOURS, labels=np.array([0, 0, 2, 1, 1])
    )
    same = {"budget": 0.4, "photos": 5, "macs_share": 0.42}
    assert known_labels(photos) == [
        same | {"labels": 1, "named": 100, "general": 100, "more": 0, "error": 0},  # there is nothing to confuse
        same | {"labels": 3, "named": 80, "general": 60, "more": 20, "error": 24},  # both take the fourth for red
    ]
