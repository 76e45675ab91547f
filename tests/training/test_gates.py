import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.exits.budget import BUDGET_GRID
from engine.exits.encoder import Encoder
from engine.training import gates
from engine.training.features import Features
from engine.training.gates import GatePhotos, calibrations_of, drift, fit_exits, fit_gates, lost
from tests import tiny_models

MANY = 96


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> Encoder:
    monkeypatch.setattr(gates, "STEPS", 150)
    return tiny_models.encoder("vit", every=2)


def photos_of(encoder: Encoder, seed: int) -> tuple[GatePhotos, Tensor]:
    """Photos of two kinds that what is seen at the first exit tells apart: hard ones move on, the others stay."""
    torch.manual_seed(seed)
    hard = torch.arange(MANY) % 2 == 0
    final = F.normalize(torch.randn(MANY, encoder.dim), dim=1)
    moved = F.normalize(final + hard[:, None] * torch.randn(MANY, encoder.dim), dim=1)
    early = encoder.exits - 1
    seen = [torch.randn(MANY, e.seen) + hard[:, None] * torch.linspace(-2, 2, e.seen) for e in encoder.modules.exits]
    vectors = torch.stack([*[moved] * early, final], 1)
    texts = F.normalize(final + 0.1 * torch.randn(MANY, encoder.dim), dim=1)
    return GatePhotos.of(encoder, Features(seen, vectors, texts, torch.arange(MANY))), hard


def losses_of(encoder: Encoder, photos: GatePhotos) -> Tensor:
    return lost(photos.features, photos.features, encoder.bank.vectors, encoder.logit_scale)


def test_drift_is_what_an_exit_misses_of_full_depths_distribution() -> None:
    # Of two texts, whose cosines differ by 0, -1 and 1: they share the photo by 1/2 : 1/2, 1/4 : 3/4 and 3/4 : 1/4.
    vectors = torch.tensor([[[0.5**0.5, 0.5**0.5], [0.0, 1.0], [1.0, 0.0]]])
    features = Features([], vectors, torch.zeros(0, 2), torch.zeros(0))
    found = drift(features, torch.eye(2), math.log(3) / 2)
    # 3/4 log(3/2) + 1/4 log(1/2), and 3/4 log 3 + 1/4 log(1/3)
    torch.testing.assert_close(found, torch.tensor([[0.1308, 0.5493, 0]]), atol=1e-4, rtol=0)


def test_nothing_is_lost_at_full_depth_and_more_of_photos_that_move_on(encoder: Encoder) -> None:
    photos, hard = photos_of(encoder, 0)
    losses = losses_of(encoder, photos)
    assert losses[:, -1].max() == 0
    assert losses[hard, 0].min() > losses[~hard, 0].max()
    assert losses[:, 0].mean() == pytest.approx(1)


def test_an_exit_that_finds_nearly_as_much_loses_little_however_far_its_embedding_is(encoder: Encoder) -> None:
    photos, _ = photos_of(encoder, 0)
    features = photos.features
    final = features.vectors[:, -1]
    elsewhere = F.normalize(torch.randn_like(final), dim=1)  # finds nothing
    shifted = F.normalize(final + F.normalize(torch.ones(encoder.dim), dim=0), dim=1)  # far off, in like order
    vectors = torch.stack([elsewhere, shifted, final], 1)
    features = replace(features, vectors=vectors)
    losses = lost(features, features, encoder.bank.vectors, encoder.logit_scale)
    assert losses[:, 1].mean() < 0.3


@pytest.mark.parametrize("at_once", [MANY, 40])
def test_gates_learn_which_photos_may_leave(encoder: Encoder, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(gates, "AT_ONCE", at_once)
    photos, _ = photos_of(encoder, 0)
    others, hard = photos_of(encoder, 1)
    shares = torch.tensor(encoder.exit_macs) / encoder.full_macs
    fitted = fit_gates(encoder.modules, photos, losses_of(encoder, photos), shares, seed=0)
    leanings = others.leanings(fitted, torch.arange(MANY))[:, 0]
    wrong = (leanings[hard][:, None] > leanings[~hard]).float().mean()
    assert wrong < 0.1, "photos that move on stay longer than those that do not"


def test_prices_meet_the_budgets_on_other_photos_and_gates_are_kept(encoder: Encoder) -> None:
    photos, prices_on = photos_of(encoder, 0)[0], photos_of(encoder, 1)[0]
    fitted = fit_exits(encoder, photos, prices_on, 0.5)
    assert list(fitted.log_prices) == sorted(fitted.log_prices, reverse=True)
    found = encoder.with_exits(fitted)
    exits = found.decide(prices_on.features.trace)
    shares = torch.tensor(found.exit_macs) / found.full_macs
    for column, budget in enumerate(BUDGET_GRID):
        if budget >= shares[0]:
            assert shares[exits[:, column]].mean() <= budget + 1e-6
    assert shares[exits[:, -1]].mean() == 1
    assert fitted.reference is not None
    assert torch.equal(fitted.reference, prices_on.features.vectors[: len(fitted.reference), :-1])
    assert fitted.calibrations[-1].deviation == 0 < fitted.calibrations[0].deviation
    alone, both = ([p.features for p in sets] for sets in ((photos,), (photos, prices_on)))
    assert fitted.calibrations == calibrations_of(encoder, both, 0.5) != calibrations_of(encoder, alone, 0.5)


def test_blind_gates_see_nothing_of_the_bank(encoder: Encoder) -> None:
    photos, prices_on = photos_of(encoder, 0)[0], photos_of(encoder, 1)[0]
    blind = fit_exits(encoder, photos, prices_on, 0.5, blind=True)
    other = GatePhotos(prices_on.features, [s + torch.rand_like(s) for s in prices_on.statistics], prices_on.kinds)
    rows = torch.arange(MANY)
    assert torch.equal(prices_on.leanings(blind.modules, rows), other.leanings(blind.modules, rows))


def test_kinds_of_photos_cost_alike(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "STEPS", 300)
    photos, hard = photos_of(encoder, 0)
    shares = torch.tensor(encoder.exit_macs) / encoder.full_macs
    losses = losses_of(encoder, photos)

    def apart(kinds: Tensor) -> float:
        fitted = fit_gates(
            encoder.modules, GatePhotos(photos.features, photos.statistics, kinds), losses, shares, seed=0
        )
        leanings = photos.leanings(fitted, torch.arange(MANY))[:, 0]
        return float(leanings[~hard].mean() - leanings[hard].mean())

    assert apart(hard.long()) < 0.5 * apart(torch.zeros(MANY, dtype=torch.long))
