from collections.abc import Callable

import numpy as np
import pytest

from engine.exits.budget import BUDGET_GRID, Plan
from engine.gallery.budget_preview import Outlooks, forecast, place
from engine.gallery.service import Catalog
from engine.ingest.upload import Upload
from engine.storage.store import Store
from tests.conftest import FakeEncoder

# Budgets thriftiest first; three gated exits and the end. The dearer two ask the last two exits only.
PLANS = [Plan((0, 1), 2.0), Plan((0, 1), 1.0), Plan((1, 2), 1.0), Plan((1, 2), 0.5)]

COSTS = (20, 40, 70, 100)

NAN = np.nan


def gates(*photos: list[list[float]]) -> np.ndarray:
    return np.array(photos, np.float32)  # (N, 3 exits, 4 budgets)


LEFT_EARLY = [[0.9, 0.6, 0, 0], [NAN] * 4, [NAN] * 4]  # at the first exit, from budget 1

LEFT_LATER = [[0.7, 0.2, 0, 0], [0.8, 0.6, 0.3, 0.1], [NAN] * 4]

WENT_ON = [[0.1, 0.0, 0, 0], [0.6, 0.3, 0.2, 0.1], [NAN] * 4]  # past both exits asked, to the end


def test_towards_thriftier_every_photo_is_known() -> None:
    found = forecast([(1, gates(LEFT_EARLY, LEFT_LATER, WENT_ON))], PLANS, COSTS, to=0)
    assert found.exits == (2, 1, 0, 0)
    assert found.exact
    assert found.least_macs == found.most_macs == 80


def test_its_own_budget_is_what_happened() -> None:
    found = forecast([(1, gates(LEFT_EARLY, LEFT_LATER, WENT_ON))], PLANS, COSTS, to=1)
    assert (found.exits, found.exact) == ((1, 1, 0, 1), True)


def test_towards_costlier_a_photo_that_left_goes_on_and_how_far_is_not_known() -> None:
    left = [[NAN] * 4, [0, 0, 0.6, 0.4], [NAN] * 4]
    found = forecast([(2, gates(left))], PLANS, COSTS, to=3)
    assert (found.exits, found.further) == ((0, 0, 0, 0), (0, 0, 1, 0))
    assert (found.least_macs, found.most_macs) == (70, 100)


def test_a_budget_that_asks_another_way_is_not_told_from_these_gates() -> None:
    """Exit 1 was asked, but after exit 0, whose sight its gate compared with."""
    found = forecast([(1, gates(LEFT_LATER))], PLANS, COSTS, to=2)
    assert (found.exits, found.further) == ((0, 0, 0, 0), (0, 1, 0, 0))
    assert (found.least_macs, found.most_macs) == (40, 100)


def test_groups_of_several_budgets_add_up() -> None:
    left = [[NAN] * 4, [0, 0, 0.6, 0.4], [NAN] * 4]
    found = forecast([(1, gates(LEFT_EARLY)), (2, gates(left))], PLANS, COSTS, to=2)
    assert found.photos == 2
    assert found.exits == (0, 1, 0, 0)
    assert found.further == (0, 1, 0, 0)


def test_a_model_without_exits_goes_all_the_way() -> None:
    found = forecast([(0, np.empty((3, 0, 4), np.float32))], [Plan((), 0.0)] * 4, (100,), to=2)
    assert (found.exits, found.least_macs) == ((3,), 300)


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
