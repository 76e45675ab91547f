from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

from engine.training.locked_image import ALIKE, embedded, photos_to_find, told_apart, write_text_tower
from engine.training.pretrained import WEIGHTS

DIM, EXITS, SCALE = 16, 2, 10.0


def test_texts_that_learn_find_their_photos_among_all() -> None:
    torch.manual_seed(0)
    vectors = F.normalize(torch.randn(60, EXITS, DIM), dim=2)
    asked = torch.arange(0, 60, 3)
    wanted = F.one_hot(asked, 60).float()
    texts = nn.Parameter(torch.randn(len(asked), DIM))

    def ranks() -> torch.Tensor:
        scores = F.normalize(texts, dim=1) @ vectors[:, -1].T
        return (scores > scores.gather(1, asked[:, None])).sum(1)

    before = ranks().float().mean()
    optimizer = torch.optim.Adam([texts], 0.1)
    for _ in range(60):
        optimizer.zero_grad()
        told_apart(SCALE * F.normalize(texts, dim=1), vectors, wanted, asked).backward()
        optimizer.step()
    assert before > 10
    assert ranks().float().mean() < 1


def test_later_exits_weigh_more() -> None:
    right, wrong = torch.eye(DIM), torch.eye(DIM).roll(1, 0)
    asked, wanted = torch.arange(DIM), torch.eye(DIM)
    late, early = torch.stack([wrong, right], 1), torch.stack([right, wrong], 1)
    said = SCALE * torch.eye(DIM)
    assert told_apart(said, late, wanted, asked) < told_apart(said, early, wanted, asked)


def test_a_text_is_to_find_all_photos_that_it_is_true_of_and_somewhat_those_that_mean_the_same() -> None:
    meaning = torch.tensor([[1.0, 0.9, 0.8, 0.0], [0.0, 0.2, 0.1, 1.0]])
    first, second = photos_to_find(meaning, [[0, 2], [3]])
    assert first.sum() == pytest.approx(1)
    assert second.sum() == pytest.approx(1)
    assert min(first[0], first[2]) > first[1] > first[3]
    assert second.argmax() == 3


class MeanOfWords(nn.Module):
    """A text tower of word embeddings alone."""

    def __init__(self, dim: int = DIM) -> None:
        super().__init__()
        self.config = SimpleNamespace(pad_token_id=0)
        self.words = nn.Embedding(50, dim)
        self.widths: list[int] = []

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        self.widths.append(tokens.shape[1])
        seen = (tokens != 0)[..., None]
        return (self.words(tokens) * seen).sum(1) / seen.sum(1)


def test_texts_are_embedded_in_their_order_and_short_ones_without_the_padding_of_long_ones() -> None:
    torch.manual_seed(0)
    tower = MeanOfWords()
    lengths = torch.randint(1, 13, (2 * ALIKE,))
    tokens = torch.randint(1, 50, (len(lengths), 12)) * (torch.arange(12) < lengths[:, None])
    wanted = torch.cat([F.normalize(tower(row[None, :many]), dim=1) for row, many in zip(tokens, lengths, strict=True)])
    tower.widths.clear()
    torch.testing.assert_close(embedded(tower, tokens), wanted)
    assert tower.widths[0] < tower.widths[1] == 12


def test_the_text_tower_of_a_folder_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    tower = nn.Linear(3, 2)
    stored = {"text.weight": torch.zeros(2, 3).half(), "text.bias": torch.zeros(2).half(), "visual": torch.ones(4)}
    save_file(stored, tmp_path / WEIGHTS, {"format": "pt"})
    write_text_tower(tmp_path, tower)
    found = load_file(tmp_path / WEIGHTS)
    assert found["text.weight"].dtype == torch.float16
    torch.testing.assert_close(found["text.weight"].float(), tower.weight.detach(), atol=1e-3, rtol=0)
    assert torch.equal(found["visual"], stored["visual"])


def test_a_tower_of_another_shape_is_not_written(tmp_path: Path) -> None:
    save_file({"text.weight": torch.zeros(2, 3)}, tmp_path / WEIGHTS)
    with pytest.raises(KeyError):
        write_text_tower(tmp_path, nn.Linear(3, 2))
    assert set(load_file(tmp_path / WEIGHTS)) == {"text.weight"}
