from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.exits.budget import BUDGET_GRID
from engine.exits.encoder import Encoder
from engine.exits.gate import first_exit, leaving
from engine.exits.text_bank import Embeddings
from tests import tiny_models
from tests.exits.ladders import MIDDLE, MIXED, made, photos

PHRASES = ("a boat", "red dog")


@pytest.fixture(params=MIXED)
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return made(request.param)


def test_photos_of_reference_cost_the_budget(encoder: Encoder) -> None:
    named = encoder.looking_for(PHRASES)
    reference = tiny_models.pixels(32, encoder.backbone.size, seed=1)  # those that the encoder was made with
    trace = named.trace(reference)
    exits = named.decide(trace)
    margins = [named.bank.margin(v, named.logit_scale) for v in trace.vectors[:-1]]
    alike = max(int(m.unique(return_counts=True)[1].max()) for m in margins)  # which leave together
    shares = torch.tensor(named.exit_macs) / named.full_macs
    step = alike * float(1 - shares[0]) / len(reference)
    for budget, cost in zip(BUDGET_GRID, shares[exits].mean(0).tolist(), strict=True):
        if budget < shares[0]:
            assert cost == pytest.approx(float(shares[0]))
        else:
            assert budget - step - 1e-6 < cost <= budget + 1e-6


def test_clear_photos_leave_before_doubtful_ones(encoder: Encoder) -> None:
    named, pixels = encoder.looking_for(PHRASES), photos(encoder, 24)
    margins = named.bank.margin(named.trace(pixels).vectors[0], named.logit_scale)
    left = named.decide(named.trace(pixels)) == 0  # (B, G)
    some = 0
    for column in left.T:
        if column.any() and not column.all():
            assert margins[column].min() >= margins[~column].max()
            some += 1
    assert some, "the case must divide photos"


def test_one_phrase_alone_stands_among_a_background(encoder: Encoder) -> None:
    named = encoder.looking_for(PHRASES[:1])
    margins = named.bank.margin(named.trace(photos(encoder, 24)).vectors[0], named.logit_scale)
    assert len(margins.unique()) > 12
    assert ((margins >= 0) & (margins <= 1)).all()


def test_one_phrase_and_an_empty_bank_are_clear_to_nobody() -> None:
    encoder = made("a transformer")
    bank = replace(encoder.bank, texts=(), embeddings=Embeddings(lambda: torch.empty(0, encoder.dim)))
    named = encoder.reading(bank).looking_for(PHRASES[:1])
    assert named.bank.margin(torch.eye(encoder.dim), 10.0).tolist() == [0] * encoder.dim
    assert len(named.encode(photos(encoder), MIDDLE)) == 4


def test_margins_beyond_all_of_the_reference_count_as_its_outermost() -> None:
    encoder = made("a transformer")
    gate = encoder.looking_for(PHRASES)._by_phrases
    assert gate is not None
    reference = encoder.fitted.reference
    assert reference is not None
    least, most = gate.leanings(0, torch.tensor([-1.0, 2.0])).tolist()
    assert (least, most) == (reference.leanings[:, 0].min(), reference.leanings[:, 0].max())
    leanings = gate.leanings(0, torch.linspace(0, 1, 50))
    assert (leanings.diff() >= 0).all()
    exits = first_exit(leaving(leanings[:, None, None], torch.tensor(gate.log_prices)).transpose(1, 2))
    assert (np.diff(exits.numpy(), axis=1) >= 0).all(), "a higher budget never lets a photo leave earlier"
