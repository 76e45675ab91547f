from copy import copy
from pathlib import Path

import pytest
import torch

from engine.clip.backbone import ModelUnreadable
from engine.clip.small_tower import scout_tower
from engine.exits.checkpoint import FittedExits
from engine.exits.encoder import Encoder, Identity
from engine.training.dataset import DataMissing
from engine.training.rivals import load_rivals, save_gates, save_small_model, shuffled
from tests import tiny_models


@pytest.fixture
def encoder() -> Encoder:
    return tiny_models.encoder("efficientnet")


@pytest.fixture
def folder(encoder: Encoder, tmp_path: Path) -> Path:
    """Rivals trained beside the encoder."""
    torch.manual_seed(0)
    save_small_model(tmp_path, scout_tower(encoder.dim), encoder.identity.weights)
    save_gates(
        tmp_path,
        "seed-2",
        FittedExits(encoder.modules, encoder.plans, encoder.calibrations),
        encoder.identity.weights,
    )
    return tmp_path


def test_the_smaller_model_reads_inputs_of_any_size_into_the_same_space(encoder: Encoder, folder: Path) -> None:
    small = load_rivals(folder, encoder).small_model
    assert small is not None
    pixels = tiny_models.pixels(3, encoder.backbone.size)
    for size in (encoder.backbone.size, 32):
        vectors = small.read_at(pixels, size)
        assert vectors.shape == (3, encoder.dim)
        assert (vectors**2).sum(1) == pytest.approx(1, abs=1e-5)


def test_gates_come_back_as_they_were_written(encoder: Encoder, folder: Path) -> None:
    gates = load_rivals(folder, encoder).gates
    assert list(gates) == ["seed-2"]
    assert gates["seed-2"].plans == encoder.plans


def test_rivals_of_other_weights_are_left_out(encoder: Encoder, folder: Path) -> None:
    other = copy(encoder)
    other.identity = Identity("other", "f" * 64, "")
    rivals = load_rivals(folder, other)
    assert rivals.small_model is None
    assert rivals.gates == {}


@pytest.mark.parametrize("name", ["small-model.safetensors", "gates/seed-2.safetensors"])
def test_a_damaged_file_is_named(encoder: Encoder, folder: Path, name: str) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ModelUnreadable, match=rf"{name} cannot be read; .* train-rivals"):
        load_rivals(folder, encoder)


def test_a_folder_that_is_not_there_is_named(encoder: Encoder, tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="nowhere is not a folder"):
        load_rivals(tmp_path / "nowhere", encoder)


def test_shuffled_texts_are_phrases_of_the_same_words() -> None:
    texts = ["a red rose", "two dogs on the beach", "fog"]
    found = shuffled(texts)
    assert sorted(" ".join(found).split()) == sorted(" ".join(texts).split())
    assert [len(text.split()) for text in found] == [3, 5, 1]
    assert found != texts
    assert found == shuffled(texts)
