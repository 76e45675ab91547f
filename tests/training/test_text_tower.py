from copy import deepcopy
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.clip import device
from engine.training import text_tower
from engine.training.text_tower import LONG, TRAINED_LAYERS, CachedTexts

WIDTH, PAD = 8, 0


class Layer(nn.Module):
    """A layer of its own weights, with dropout, that looks at no other token."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.dropout = nn.Linear(WIDTH, WIDTH), nn.Dropout(0.5)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        return states + self.dropout(self.linear(states))


class Bert(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(20, WIDTH)
        self.encoder = nn.Module()
        self.encoder.layer = nn.ModuleList(Layer() for _ in range(TRAINED_LAYERS + 1))


@pytest.fixture
def tower() -> SimpleNamespace:
    torch.manual_seed(0)
    config = SimpleNamespace(pad_token_id=PAD)
    return SimpleNamespace(transformer=Bert().train(), proj=nn.Linear(WIDTH, 4), config=config)


TOKENS = torch.tensor([[3, 4, 5, PAD], [6, 7, PAD, PAD], [3, 4, 5, 9]])


def test_frozen_layers_have_no_dropout_whatever_the_towers_mode(tower: SimpleNamespace) -> None:
    first, second = CachedTexts(tower, TOKENS), CachedTexts(tower, TOKENS)
    assert torch.equal(first.meanings(tower), second.meanings(tower))
    assert torch.equal(first.states, second.states)
    assert tower.transformer.training, "the tower's mode is left as it was"


def test_it_is_said_how_far_many_texts_are(tower: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_tower, "AT_ONCE", 2)
    monkeypatch.setattr(text_tower, "SAID", 1)
    said: list[str] = []
    CachedTexts(tower, TOKENS, said.append)
    assert said == ["2 of 3 texts", "3 of 3 texts"]


def test_texts_are_what_the_whole_tower_makes_of_them(tower: SimpleNamespace) -> None:
    texts = CachedTexts(tower, TOKENS).eval()
    with torch.no_grad():
        states = tower.transformer.embeddings(TOKENS[1, :2])
        for layer in tower.transformer.encoder.layer.eval():
            states = layer(states, torch.zeros(()))
        wanted = F.normalize(tower.proj(states.mean(0)), dim=-1)
        with torch.autocast("cpu", torch.bfloat16):
            found = texts(torch.tensor([2, 1]))
    assert found.shape == (2, 4)
    assert F.cosine_similarity(found[1], wanted, dim=0) > 0.999


def test_what_texts_meant_before_training_is_what_the_untouched_tower_says(tower: SimpleNamespace) -> None:
    trained = deepcopy(tower)
    nn.init.normal_(trained.transformer.encoder.layer[-1].linear.weight)
    found = CachedTexts(trained, TOKENS).meanings(tower)
    with torch.no_grad():
        states = tower.transformer.embeddings(TOKENS[1, :2])
        for layer in tower.transformer.encoder.layer.eval():
            states = layer(states, torch.zeros(()))
    assert found.shape == (3, WIDTH)
    assert F.cosine_similarity(found[1], states.mean(0), dim=0) > 0.999
    assert F.cosine_similarity(found[1], CachedTexts(trained, TOKENS).meanings(trained)[1], dim=0) < 0.99


@pytest.mark.parametrize(("native", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_states_are_kept_as_the_cpu_computes(
    tower: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, native: bool, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(device, "has_native_bfloat16", lambda on: native)
    texts = CachedTexts(tower, TOKENS).eval()
    assert texts.states.dtype == dtype
    with torch.no_grad(), device.cpu_autocast():
        assert texts(torch.tensor([1])).dtype == torch.float32


def test_some_tokens_of_a_long_text_are_overlooked_in_training_alone(tower: SimpleNamespace) -> None:
    ids = torch.full((2, 2 * LONG), PAD)
    ids[0], ids[1, : LONG - 1] = torch.arange(2 * LONG) % 19 + 1, 3
    for layer in tower.transformer.encoder.layer:
        layer.dropout.p = 0.0
    texts, rows = CachedTexts(tower, ids), torch.tensor([0, 1])

    def said(times: int) -> list[Tensor]:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            return [texts(rows) for _ in range(times)]

    training = said(8)
    assert len({tuple(one[0].tolist()) for one in training}) > 4
    assert all(torch.equal(one[1], training[0][1]) for one in training), "a short text may be one word"
    texts.eval()
    first, second = said(2)
    assert torch.equal(first, second)
