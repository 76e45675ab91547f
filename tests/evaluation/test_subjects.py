import numpy as np
import torch

from engine.evaluation.subjects import looked_for, subjects_of
from engine.exits.budget import BUDGET_GRID
from engine.training.features import Features
from tests import tiny_models

MANY = 40
WORDS = ("dog", "cat", "sea", "boat", "car", "tree")


def test_subjects_are_words_that_some_captions_hold_the_commonest_first() -> None:
    captions = ["Two dogs run.", "A dog sleeps.", "A cat.", "Birds.", "The sea at night.", *["A man walks."] * 15]
    guides = ("a cat", "a dog", "the sea", "a man", "a red car", "a tree")
    found = subjects_of(captions, guides)
    assert {text: rows.tolist() for text, rows in found.items()} == {"a dog": [0, 1], "a cat": [2], "the sea": [4]}
    assert next(iter(found)) == "a dog"


def test_naming_a_subject_is_set_beside_as_many_photos_at_random() -> None:
    encoder = tiny_models.encoder().guided_by(WORDS)
    trace = encoder.trace(tiny_models.pixels(MANY, encoder.backbone.size))
    vectors = torch.stack(trace.vectors, 1)
    captions = ["a dog", "a boat", "a car", *["nothing"] * (MANY - 3)]
    features = Features(trace.pooled, vectors, vectors[:, -1], torch.arange(MANY))
    stands = encoder.decide(trace)[1][:, 0].numpy()
    rows = looked_for(encoder, features, captions, BUDGET_GRID[0])
    assert [row["subject"] for row in rows] == ["dog", "boat", "car"]
    for row in rows:
        guided = encoder.guided_by(WORDS, (row["subject"],))
        moved = guided.decide(trace)[1][:, 0].numpy() != stands
        assert row["deeper"] == round(float(moved.mean()), 4) > 0
        assert row["captions"] == 1
        assert row["full"]["r1"] == 100  # texts are the photos' own embeddings at full depth
        before = np.array(encoder.exit_macs(encoder.plans[0].open))[stands].mean() / encoder.full_macs
        assert row["macs_share"] > before
