import numpy as np
import pytest
import torch

from engine.budget import BUDGET_GRID
from engine.evaluation import LIMITS, overlap, policies, recall
from engine.training.features import Features
from tests import tiny


def test_recall_by_hand() -> None:
    images = np.eye(3, dtype=np.float32)
    texts = np.array([[1, 0, 0], [0.9, 0.5, 0], [0, 1, 0], [0.9, 0.1, 0.5]], dtype=np.float32)
    found = recall(images, texts, np.array([0, 1, 1, 2]))
    assert found["t2i"]["r1"] == pytest.approx(50)  # the second and the last caption find image 0 first
    assert found["t2i"]["r5"] == 100
    assert found["i2t"]["r1"] == 100  # each image's nearest text is one of its own


def test_equal_scores_are_no_success() -> None:
    images, texts = np.ones((4, 2), np.float32), np.ones((4, 2), np.float32)
    assert recall(images, texts, np.arange(4))["t2i"]["r1"] == 0


@pytest.fixture(scope="module")
def rows():
    encoder = tiny.encoder()
    trace = encoder.trace(tiny.pixels(30, encoder.backbone.size))
    vectors = torch.stack(trace.vectors, 1)
    features = Features(trace.pooled, vectors, vectors[:, -1], torch.arange(30))
    return encoder, policies(encoder, features, deals=3)


def test_every_policy_has_its_rows(rows) -> None:
    encoder, table = rows
    settings = {name: [r["setting"] for r in table if r["policy"] == name] for name in {r["policy"] for r in table}}
    assert settings["full"] == [encoder.exits]
    assert settings["exit"] == list(range(1, encoder.exits))
    assert settings["tgem"] == settings["random"] == list(BUDGET_GRID)


def test_texts_that_are_the_photos_own_embeddings_are_found_at_full_depth(rows) -> None:
    full = next(r for r in rows[1] if r["policy"] == "full")
    assert full["macs_share"] == 1
    assert full["t2i"]["r1"] == 100


def test_random_exits_cost_what_the_gates_cost(rows) -> None:
    for budget in BUDGET_GRID:
        pair = [r for r in rows[1] if r["policy"] in ("tgem", "random") and r["setting"] == budget]
        assert pair[0]["macs_share"] == pair[1]["macs_share"]


def test_overlap_by_hand() -> None:
    reference = np.array([[4.0, 3.0, 2.0, 1.0], [4.0, 3.0, 2.0, 1.0]])
    scores = np.array([[3.0, 4.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0]])
    assert overlap(scores, reference, 2) == 0.5  # the first row's best two in another order, none of the second's


def test_deepening_all_that_is_asked_for_gives_the_full_ranking(rows) -> None:
    encoder, table = rows
    for row in table:
        if row["policy"] == "exit+topm" and row["m"] >= 30:  # as many as there are photos
            assert row["overlap10"] == 1
            assert row["t2i"] == next(r for r in table if r["policy"] == "full")["t2i"]
            assert row["deepened_per_query"] == 30
            assert row["macs_per_query"] == pytest.approx(30 * encoder.exit_macs(())[-1] / encoder.full_macs, abs=0.01)


def test_deepening_by_doubt_keeps_to_its_limit_and_asks_nothing_of_photos_at_full_depth(rows) -> None:
    _, table = rows
    deepened = [r for r in table if r["policy"] == "tgem+deepen"]
    assert {r["limit"] for r in deepened} == set(LIMITS)
    assert all(r["deepened_per_query"] <= r["limit"] for r in deepened)
    costly = [r for r in deepened if r["setting"] == 1.0]
    assert max(r["deepened_per_query"] for r in costly) < max(r["deepened_per_query"] for r in deepened)


def test_only_the_policies_asked_for_are_measured() -> None:
    encoder = tiny.encoder()
    trace = encoder.trace(tiny.pixels(12, encoder.backbone.size))
    vectors = torch.stack(trace.vectors, 1)
    features = Features(trace.pooled, vectors, vectors[:, -1], torch.arange(12))
    assert {r["policy"] for r in policies(encoder, features, ("full", "tgem"))} == {"full", "tgem"}
