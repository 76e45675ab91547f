from copy import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine.exits.encoder import Encoder
from engine.training.dataset import DataMissing
from engine.training.rivals import load_rivals, save_gates, with_random_bank
from engine.utils.errors import ModelUnreadable
from tests import tiny_models
from tests.exits.ladders import made


@pytest.fixture
def encoder() -> Encoder:
    return made("a transformer")


@pytest.fixture
def folder(encoder: Encoder, tmp_path: Path) -> Path:
    """Rivals fitted beside the encoder."""
    save_gates(tmp_path / "seed-2.safetensors", encoder.fitted, encoder.identity)
    return tmp_path


def test_gates_come_back_as_they_were_written(encoder: Encoder, folder: Path) -> None:
    gates = load_rivals(folder, encoder)
    assert list(gates) == ["seed-2"]
    trace = encoder.trace(tiny_models.pixels(8, encoder.backbone.size))
    assert torch.equal(encoder.with_exits(gates["seed-2"]).decide(trace), encoder.decide(trace))


@pytest.mark.parametrize("changed", [{"weights": "f" * 64}, {"exits_hash": "f" * 64}])
def test_rivals_of_another_model_or_other_exits_are_left_out(
    encoder: Encoder, folder: Path, changed: dict[str, str]
) -> None:
    other = copy(encoder)
    other.identity = replace(encoder.identity, **changed)
    assert load_rivals(folder, other) == {}


def test_a_damaged_file_is_named(encoder: Encoder, folder: Path) -> None:
    path = folder / "seed-2.safetensors"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ModelUnreadable, match=r"seed-2.safetensors cannot be read; .* train-rivals"):
        load_rivals(folder, encoder)


def test_a_folder_that_is_not_there_is_named(encoder: Encoder, tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="nowhere is not a folder"):
        load_rivals(tmp_path / "nowhere", encoder)


def test_a_random_bank_lies_as_the_real_one_does_and_means_nothing(encoder: Encoder) -> None:
    real, random = encoder.bank.vectors, with_random_bank(encoder).bank.vectors
    assert random.shape == real.shape
    torch.testing.assert_close(random.norm(dim=1), torch.ones(len(random)))
    assert (random * real).sum(1).max() < 0.999
    assert float((random.mean(0) * real.mean(0)).sum()) > 0
