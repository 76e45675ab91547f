from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.exits.budget import BUDGET_GRID
from engine.exits.encoder import Encoder
from engine.exits.gate import first_exit, leaving
from engine.exits.phrase_gate import PARTS, leads
from engine.exits.text_bank import Embeddings
from tests import tiny_models
from tests.exits.ladders import MIDDLE, MIXED, made, photos

PHRASES = ("a boat", "red dog")


@pytest.fixture(params=MIXED)
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return made(request.param)


def leads_at_first(encoder: Encoder, pixels: np.ndarray) -> torch.Tensor:
    return leads(encoder.bank.outcomes(encoder.trace(pixels).vectors[0], encoder.logit_scale))


def test_every_part_of_the_reference_keeps_within_the_budget_and_one_uses_it(encoder: Encoder) -> None:
    named = encoder.looking_for(PHRASES)
    reference = tiny_models.pixels(32, encoder.backbone.size, seed=1)  # those that the encoder was made with
    exits = named.decide(named.trace(reference))
    shares = torch.tensor(named.exit_macs) / named.full_macs
    costs = torch.stack([part.mean(0) for part in shares[exits].chunk(PARTS)])  # (P, G)
    step = float(1 - shares[0]) / (len(reference) // PARTS)
    for budget, cost in zip(BUDGET_GRID, costs.amax(0).tolist(), strict=True):
        if budget < shares[0]:
            assert cost == pytest.approx(float(shares[0]))
        else:
            assert budget - step - 1e-6 < cost <= budget + 1e-6


def test_clear_photos_leave_before_doubtful_ones(encoder: Encoder) -> None:
    named, pixels = encoder.looking_for(PHRASES), photos(encoder, 24)
    clear = leads_at_first(named, pixels)
    left = named.decide(named.trace(pixels)) == 0  # (B, G)
    some = 0
    for column in left.T:
        if column.any() and not column.all():
            assert clear[column].min() >= clear[~column].max()
            some += 1
    assert some, "the case must divide photos"


def test_one_phrase_alone_stands_among_a_background(encoder: Encoder) -> None:
    clear = leads_at_first(encoder.looking_for(PHRASES[:1]), photos(encoder, 24))
    assert len(clear.unique()) > 12
    assert (clear >= 0).all()


def test_one_phrase_and_an_empty_bank_leave_no_photo_without_an_exit() -> None:
    encoder = made("a transformer")
    bank = replace(encoder.bank, texts=(), embeddings=Embeddings(lambda: torch.empty(0, encoder.dim)))
    named = encoder.reading(bank).looking_for(PHRASES[:1])
    assert len(named.encode(photos(encoder), MIDDLE)) == 4


def test_a_lead_counts_by_how_far_scores_are_off_at_its_exit() -> None:
    encoder = made("a transformer")
    exact = [replace(c, deviation=0.1 / (k + 1)) for k, c in enumerate(encoder.fitted.calibrations)]
    gate = encoder.with_exits(replace(encoder.fitted, calibrations=tuple(exact))).looking_for(PHRASES)._by_phrases
    assert gate is not None
    outcomes = torch.tensor([[0.3, 0.1, 0.2], [0.0, 0.4, 0.1]])
    assert torch.allclose(gate.leanings(0, outcomes), torch.tensor([1.0, 3.0]))
    assert torch.allclose(gate.leanings(1, outcomes), torch.tensor([2.0, 6.0]))


def test_a_higher_budget_never_lets_a_photo_leave_earlier() -> None:
    gate = made("a transformer").looking_for(PHRASES)._by_phrases
    assert gate is not None
    leanings = gate.leanings(0, torch.stack([torch.linspace(0, 1, 50), torch.zeros(50)], 1))
    assert (leanings.diff() > 0).all()
    exits = first_exit(leaving(leanings[:, None, None], torch.tensor(gate.log_prices)).transpose(1, 2))
    assert (np.diff(exits.numpy(), axis=1) >= 0).all()
