from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.clip.backbone import Backbone
from engine.exits.checkpoint import unfitted
from engine.exits.encoder import Encoder, Identity
from engine.exits.loading import assembled
from engine.exits.modules import ExitModules
from engine.exits.runner import own_embedding
from engine.training import first_pass
from engine.training.features import Features
from engine.training.first_pass import COSTS, FirstPass, fidelity_at, fidelity_for_cost, first_pass_for, project
from engine.training.readouts import choose_exits
from tests import tiny_models

PHOTOS, WIDE, DIM = 80, 200, 16


@pytest.fixture
def model() -> Backbone:
    return tiny_models.backbone("vit")


@pytest.fixture
def found(model: Backbone, monkeypatch: pytest.MonkeyPatch) -> FirstPass:
    monkeypatch.setattr(first_pass, "MOST_SHARE", 1e9)  # it costs many times what a tiny model does
    found = first_pass_for(model)
    assert found is not None
    return found


def encoder_of(model: Backbone, modules: ExitModules) -> Encoder:
    return assembled(model, unfitted(modules), Identity("tiny", "w", ""), tiny_models.BANK, Path())


def test_a_pass_that_costs_much_beside_the_model_is_none(model: Backbone) -> None:
    assert first_pass_for(model) is None


def test_pooled_features_are_seen_and_then_spoken(model: Backbone, found: FirstPass) -> None:
    exits, pixels = choose_exits(model), tiny_models.pixels(6, 32)
    looking = encoder_of(model, found.looking(exits, model.dim)).trace(pixels)
    assert looking.seen[0].shape == (6, found.exit.seen - model.dim + found.width)
    weight, bias = torch.randn(model.dim, found.width).half().float(), torch.randn(model.dim)
    said = looking.seen[0][:, : found.width] @ weight.T + bias
    blank = Features(looking.seen, torch.stack(looking.vectors, 1), torch.empty(0, model.dim), torch.empty(0))
    modules = ExitModules([found.exit, *exits], model.dim)
    modules.towers[0] = found.with_projection(weight, bias)
    whole = encoder_of(model, modules).trace(pixels)
    torch.testing.assert_close(whole.seen[0], found.spoken(blank, said).seen[0], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(whole.seen[1:], looking.seen[1:])
    assert torch.equal(whole.vectors[-1], looking.vectors[-1]), "full depth is the model's own"


def test_a_trunk_sees_the_same_colours_however_the_model_normalises_them(
    model: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_pass, "MOST_SHARE", 1e9)
    pixels = torch.from_numpy(tiny_models.pixels(4, 32))

    def seen() -> Tensor:
        found = first_pass_for(model)
        assert found is not None
        tower = model.seeing_through(found.tower, "small").tower
        return own_embedding(tower, model.normalise(pixels))

    plain = seen()
    model.mean, model.std = (torch.tensor(t).view(3, 1, 1) for t in ((0.48, 0.46, 0.41), (0.27, 0.26, 0.28)))
    assert float(F.cosine_similarity(seen(), plain).min()) > 0.97, "but for the border"


@pytest.mark.parametrize(("photos", "wide"), [(PHOTOS, WIDE), (400, 60)])
def test_photos_left_out_are_said_as_well_as_new_ones(photos: int, wide: int) -> None:
    draw = torch.Generator().manual_seed(0)
    truth = torch.randn(DIM, wide, generator=draw) / wide**0.5

    def some(many: int) -> tuple[Tensor, Tensor]:
        seen = torch.randn(many, wide, generator=draw) + 1
        return seen, F.normalize(seen @ truth.T + 0.1 * torch.randn(many, DIM, generator=draw), dim=1)

    seen, final = some(photos)
    weight, bias, said = project(seen, final)
    new, wanted = some(300)
    unseen = float(F.cosine_similarity(new @ weight.T + bias, wanted).mean())
    assert float(F.cosine_similarity(said, final).mean()) == pytest.approx(unseen, abs=0.03)
    assert unseen > 0.75


def test_fidelity_for_cost_counts_cheap_exits_that_say_the_same() -> None:
    encoder = tiny_models.encoder("vit")
    trace = encoder.trace(tiny_models.pixels(30, 32))
    vectors = torch.stack(trace.vectors, 1)
    features = Features(trace.seen, vectors, torch.empty(0, encoder.dim), torch.empty(0))
    assert fidelity_at(vectors[:, -1], vectors[:, -1], encoder.bank) == (100.0, 100.0)
    perfect = replace(features, vectors=vectors[:, -1:].expand(-1, 2, -1))
    assert fidelity_for_cost(perfect, [0.1, 1.1], encoder.bank) == 100
    dear = fidelity_for_cost(perfect, [1.0, 1.1], encoder.bank)
    assert dear == pytest.approx(100 * COSTS.mean()), "below the first exit photos are left out"
