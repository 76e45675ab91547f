import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from engine.training.dataset import DataMissing, read_kinds
from engine.training.naming import (
    PAIRS,
    PHRASES,
    PHRASES_EACH,
    apart,
    holds_unseen,
    in_pairs,
    in_phrases,
    kind_directions,
    known_kinds,
    spreads,
)


def test_a_kind_lies_where_the_classifier_sees_it_among_embeddings() -> None:
    torch.manual_seed(0)
    axes = F.normalize(torch.randn(3, 16), dim=-1)
    photos = F.normalize(torch.randn(500, 16), dim=-1)
    directions = kind_directions(photos, 8 * photos @ axes.T + 0.1 * torch.randn(500, 3))
    assert directions.shape == (3, 16)
    assert (photos @ directions.T).std(0).tolist() == pytest.approx([1, 1, 1], rel=1e-3)
    assert (F.cosine_similarity(directions, axes) > 0.95).all()


def test_texts_that_rank_photos_alike_are_not_apart() -> None:
    torch.manual_seed(0)
    covariance = torch.diag(torch.tensor([1.0, 0.5, 0.25, 0.0]))
    text = F.normalize(torch.tensor([[1.0, 1.0, 0.0, 0.0]]), dim=-1)
    assert apart(text, text, covariance) == pytest.approx(0, abs=1e-6)
    beside = F.normalize(text + torch.tensor([[0.0, 0.0, 0.0, 1.0]]), dim=-1)  # where photos do not differ
    across = F.normalize(text + torch.tensor([[0.0, 0.0, 1.0, 0.0]]), dim=-1)  # where they do
    assert 0 < apart(beside, text, covariance) < apart(across, text, covariance)


def test_the_spread_of_a_text_is_that_of_its_scores() -> None:
    torch.manual_seed(0)
    photos, texts = torch.randn(300, 8), F.normalize(torch.randn(5, 8), dim=-1)
    measured = spreads(texts, torch.cov(photos.T))
    assert torch.allclose(measured, (photos @ texts.T).std(0), rtol=1e-4)


def test_each_word_comes_alone_and_in_other_phrases() -> None:
    words = ["otter", "rocket", "osprey", *(f"word{i}" for i in range(20))]
    texts = in_phrases(words)
    assert texts[: len(words)] == words
    for number, word in enumerate(words):
        phrases = texts[number :: len(words)]
        assert all(word in phrase for phrase in phrases)
        assert len(set(phrases)) == len(phrases) == 1 + PHRASES_EACH
    assert all("{}" in phrase for phrase in PHRASES)


def test_two_words_of_a_phrase_are_two() -> None:
    texts = in_pairs(["otter", "rocket", "osprey"])
    assert texts == in_pairs(["otter", "rocket", "osprey"]), "alike every time"
    assert len(texts) == PAIRS
    assert all(sum(word in text for word in ("otter", "rocket", "osprey")) == 2 for text in texts)


def test_words_kept_unseen_are_known_in_all_their_forms() -> None:
    for text in ("a raccoon", "blueberries", "galaxies far away", "nursing", "an osprey with a fish", "olives"):
        assert holds_unseen(text)
    for text in ("a dog", "a bird of prey", "blue berries", "stars"):
        assert not holds_unseen(text)


def test_kinds_stand_in_the_order_of_their_ids(tmp_path: Path) -> None:
    rows = [("n03", "teapot"), ("n01", "tench"), ("n02", "wren"), ("n02", "wren")]
    lines = [json.dumps({"file": f"{i}.jpg", "wnid": wnid, "label": label}) for i, (wnid, label) in enumerate(rows)]
    (tmp_path / "labels.jsonl").write_text("\n".join(lines))
    assert read_kinds(tmp_path) == ["tench", "wren", "teapot"]
    with pytest.raises(DataMissing, match=r"labels\.jsonl names 3 kinds of things; ImageNet's 1000 are needed"):
        known_kinds(tmp_path)
