"""Forecasts of a collection are made in one pass over its photos, and again only when these have changed."""

from collections.abc import Callable

import numpy as np
import pytest

from engine.budget import BUDGET_GRID
from engine.catalog import Catalog
from engine.forecast import forecast
from engine.outlook import Outlooks, place
from engine.store import Store
from engine.upload import Upload
from tests.conftest import FakeEncoder


@pytest.fixture
def gallery(catalog: Catalog, upload: Callable[..., Upload]) -> int:
    """Photos of two budgets: some left at the first exit, others went all the way."""
    found = catalog.open_collection("Trip")
    catalog.ingest(found, [upload("red", "red"), upload("blue", "blue")], budget=0.5)
    catalog.ingest(found, [upload("green", "green")], budget=1.0)
    return found


def test_all_budgets_are_told_as_one_by_one(store: Store, fake_encoder: FakeEncoder, gallery: int) -> None:
    outlooks = Outlooks(store)
    groups = []
    for _, budget, gates in store.gates(gallery, 0, 10):
        reached = np.frombuffer(gates, np.float32).reshape(-1, len(BUDGET_GRID))
        values = np.full((1, fake_encoder.exits - 1, len(BUDGET_GRID)), np.nan, np.float32)
        values[0, : len(reached)] = reached
        groups.append((place(budget), values))
    assert len(groups) == 3
    for to, budget in enumerate(BUDGET_GRID):
        alone = forecast(groups, fake_encoder.plans, fake_encoder.costs, to)
        assert outlooks.of(gallery, fake_encoder, budget) == alone
    assert outlooks.of(gallery, fake_encoder, 0.5).photos == 3


def test_gates_are_read_again_only_after_a_change(
    store: Store,
    catalog: Catalog,
    fake_encoder: FakeEncoder,
    gallery: int,
    upload: Callable[..., Upload],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outlooks, reads, gates = Outlooks(store), [], store.gates
    monkeypatch.setattr(store, "gates", lambda *asked: reads.append(asked) or gates(*asked))
    for budget in BUDGET_GRID:
        outlooks.of(gallery, fake_encoder, budget)
    once = len(reads)
    assert once == 2, "the photos, and that there are no more"
    catalog.ingest(gallery, [upload("yellow", "yellow")])
    assert outlooks.of(gallery, fake_encoder, 0.5).photos == 4
    assert len(reads) == 2 * once


def test_an_empty_collection_has_nothing_to_tell(store: Store, catalog: Catalog, fake_encoder: FakeEncoder) -> None:
    told = Outlooks(store).of(catalog.open_collection("Empty"), fake_encoder, 0.5)
    assert (told.photos, told.most_macs) == (0, 0)
