import numpy as np
import pytest
import torch

from engine.evaluation import subjects
from engine.evaluation.photo_set import PhotoSet
from engine.evaluation.subjects import known_labels, named_subjects, subjects_of
from engine.exits.budget import BUDGET_GRID
from engine.exits.encoder import Encoder
from tests import tiny_models
from tests.evaluation.test_evaluate import MANY, features_of


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return tiny_models.encoder()


def test_subjects_are_words_that_some_captions_hold_the_commonest_first() -> None:
    captions = ["Two dogs run.", "A dog sleeps.", "A cat.", "Birds.", "The sea at night.", *["A man walks."] * 15]
    texts = ("a cat", "a dog", "the sea", "a man", "a red car", "a tree")
    found = subjects_of(captions, texts)
    assert {text: rows.tolist() for text, rows in found.items()} == {"a dog": [0, 1], "a cat": [2], "the sea": [4]}
    assert next(iter(found)) == "a dog"


def test_a_named_subject_is_set_beside_the_same_exits_at_random(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    captions = ["a dog", "a boat", *["nothing"] * (MANY - 2)]
    photos = PhotoSet(encoder, features_of(encoder), captions)
    named = {"dog": np.array([0]), "boat": np.array([1])}
    monkeypatch.setattr(subjects, "subjects_of", lambda texts, bank: named if list(texts) == captions else {})
    rows = {row["gates"]: row for row in named_subjects(photos)}
    assert list(rows) == ["know the subject", "the same, dealt at random", "general", "full depth"]
    known, blind, general, full = rows.values()
    shares = []
    for subject in named:
        knowing = encoder.looking_for((subject,))
        exits = knowing.decide(photos.features.trace)[:, BUDGET_GRID.index(subjects.NAMED_AT)].numpy()
        shares.append(np.array(knowing.exit_macs)[exits].mean() / encoder.full_macs)
    assert known["macs_share"] == blind["macs_share"] == pytest.approx(np.mean(shares), abs=1e-4)
    assert full["macs_share"] == 1
    assert (full["captions"], full["r1"]) == (2, 100), "texts are the photos' own embeddings at full depth"
    for row in (known, blind, general, full):
        assert row["more"] == pytest.approx(known["r10"] - row["r10"], abs=0.011)


def test_known_labels_are_judged_group_by_group_at_one_cost(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subjects, "KNOWN", (2, 3, 9))
    texts = torch.nn.functional.normalize(torch.randn(6, encoder.dim), dim=1)
    features = features_of(encoder).described_by(texts, torch.arange(6))
    photos = PhotoSet(encoder, features, [f"a photo of a {n}" for n in range(6)], np.arange(MANY) % 6)
    rows = known_labels(photos)
    assert [(row["labels"], row["photos"]) for row in rows[:: len(subjects.BUDGETS)]] == [(2, MANY), (3, MANY)]
    for row in rows:
        assert row["more"] == pytest.approx(row["named"] - row["general"], abs=0.011)
        assert 0 < row["macs_share"] <= 1 + 1e-4
