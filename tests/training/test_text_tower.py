from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.training.text_tower import TRAINED_LAYERS, CachedTexts

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
    assert torch.equal(first.frozen_vectors, second.frozen_vectors)
    assert torch.equal(first.states, second.states)
    assert tower.transformer.training, "the tower's mode is left as it was"


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
