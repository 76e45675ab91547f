from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engine.training.dataset import Example
from engine.training.validation import Validation


@dataclass(frozen=True)
class Space:
    size: int = 16


@dataclass(frozen=True)
class Texts:
    """An encoder whose n-th text means the n-th colour of an order."""

    order: tuple[int, ...]
    backbone: Space = Space()

    def encode_text(self, texts: list[str]) -> np.ndarray:
        return np.eye(3, dtype=np.float32)[list(self.order)]


@pytest.mark.parametrize(("order", "first"), [((0, 1, 2), 100.0), ((1, 2, 0), 0.0), ((0, 2, 1), 33.3)])
def test_each_text_looks_for_its_own_photo(
    order: tuple[int, ...], first: float, tmp_path: Path, png: Callable[..., bytes]
) -> None:
    examples = []
    for colour in ("red", "green", "blue"):
        (tmp_path / colour).write_bytes(png(colour))
        examples.append(Example(tmp_path / colour, (colour,), "val"))
    sizes = []

    def read(views: torch.Tensor) -> torch.Tensor:
        sizes.append(views.shape[-1])
        return F.normalize(views.mean((2, 3)), dim=1)

    encoder: Any = Texts(order)
    assert Validation(encoder, examples).recall(read, 12) == [first, 100.0, 100.0]
    assert sizes == [12]
