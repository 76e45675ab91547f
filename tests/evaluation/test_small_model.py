from copy import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engine.clip.backbone import ModelUnreadable
from engine.clip.small_tower import scout_tower
from engine.evaluation.small_model import small_model
from engine.exits.checkpoint import SMALL_MODEL
from engine.exits.encoder import Encoder
from tests import tiny


@pytest.fixture
def beside(tmp_path: Path) -> Encoder:
    encoder = copy(tiny.encoder("efficientnet"))
    encoder.folder = tmp_path
    return encoder


def write(beside: Encoder, weights: str) -> Path:
    torch.manual_seed(0)
    path = beside.folder / SMALL_MODEL
    path.parent.mkdir()
    save_file(
        {name: t.contiguous() for name, t in scout_tower(beside.dim).state_dict().items()}, path, {"weights": weights}
    )
    return path


def test_it_reads_inputs_of_any_size_into_the_same_space(beside: Encoder) -> None:
    write(beside, beside.identity.weights)
    small = small_model(beside)
    assert small is not None
    pixels = tiny.pixels(3, beside.backbone.size)
    for size in (beside.backbone.size, 32):
        vectors = small.read_at(pixels, size)
        assert vectors.shape == (3, beside.dim)
        assert (vectors**2).sum(1) == pytest.approx(1, abs=1e-5)


def test_one_trained_beside_other_weights_is_passed_over(beside: Encoder) -> None:
    assert small_model(beside) is None
    write(beside, "other")
    assert small_model(beside) is None


def test_a_damaged_one_is_named(beside: Encoder) -> None:
    path = write(beside, beside.identity.weights)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelUnreadable, match=r"small-model\.safetensors .* train-small"):
        small_model(beside)
