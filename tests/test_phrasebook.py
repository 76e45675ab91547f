"""Guide texts are encoded once for a model, and never read back for anything else."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine import phrasebook
from engine.backbone import Backbone
from engine.encoder import load_encoder
from tests import tiny

TEXTS = ["a dog", "a red car", "snow"]


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Backbone:
    """A small model that counts the texts it encodes, as `model.encoded`."""
    found = tiny.backbone("vit")
    found.encoded = 0
    encode = found.encode_text

    def counted(texts: list[str]) -> Tensor:
        found.encoded += len(texts)
        return encode(texts)

    monkeypatch.setattr(found, "encode_text", counted)
    return found


def kept(home: Path) -> Path:
    (path,) = (home / phrasebook.FOLDER).iterdir()
    return path


def test_the_second_start_reads_what_the_first_one_made(model: Backbone) -> None:
    made = phrasebook.embedded(model, "w", TEXTS)
    assert model.encoded == 3
    assert torch.equal(phrasebook.embedded(model, "w", TEXTS), made)
    assert model.encoded == 3


def test_other_texts_weights_or_tokens_are_encoded_anew(model: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    phrasebook.embedded(model, "w", TEXTS)
    for weights, texts in (("w", TEXTS[:2]), ("w", [*TEXTS[:2], "sea"]), ("w", TEXTS[::-1]), ("v", TEXTS)):
        before = model.encoded
        found = phrasebook.embedded(model, weights, texts)
        assert model.encoded == before + len(texts)
        assert torch.equal(found, tiny.backbone("vit").encode_text(texts))
    phrasebook.embedded(model, "w", TEXTS)
    before, tokenize = model.encoded, model.tokenize
    monkeypatch.setattr(model, "tokenize", lambda texts: tokenize([text.upper() for text in texts]))
    phrasebook.embedded(model, "w", TEXTS)
    assert model.encoded == before + 3


def test_a_new_list_of_a_model_takes_the_place_of_its_old_one(model: Backbone, home: Path) -> None:
    phrasebook.embedded(model, "w", TEXTS)
    phrasebook.embedded(model, "w", TEXTS[:2])
    assert len(load_file(kept(home))["vectors"]) == 2


def test_a_damaged_or_foreign_file_is_replaced(model: Backbone, home: Path) -> None:
    made = phrasebook.embedded(model, "w", TEXTS)
    whole = kept(home).read_bytes()
    for damage in (whole[:-5], b"", b"nothing"):
        kept(home).write_bytes(damage)
        assert torch.equal(phrasebook.embedded(model, "w", TEXTS), made)
        assert kept(home).read_bytes() == whole
    save_file({"vectors": made}, kept(home))
    before = model.encoded
    phrasebook.embedded(model, "w", TEXTS)
    assert model.encoded == before + 3


def test_a_data_folder_that_cannot_be_used_costs_time_alone(
    model: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("TGEM_HOME", str(tmp_path / "file"))
    assert len(phrasebook.embedded(model, "w", TEXTS)) == 3


def test_a_loaded_encoder_finds_its_guide_texts_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_encoder(precision="float32")
    made = first.guides
    second = load_encoder(precision="float32")
    monkeypatch.setattr(second.backbone, "encode_text", pytest.fail)
    assert torch.equal(second.guides, made)
