import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.clip.backbone import Backbone
from engine.exits import text_bank
from engine.exits.loading import load_encoder
from engine.exits.text_bank import ONE_IN, Interest, content_distribution, divergence, read_guide_texts, statistics
from tests import tiny_models


def test_the_nearest_guide_text_gets_the_largest_share() -> None:
    guides = torch.eye(3)
    p = content_distribution(torch.tensor([[0.0, 1.0, 0.0]]), guides, logit_scale=2.0)
    e = math.e**2
    assert p[0].tolist() == pytest.approx([1 / (2 + e), e / (2 + e), 1 / (2 + e)])


def test_divergence_by_hand() -> None:
    p, q = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.25, 0.75]])
    assert divergence(p, q).item() == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3))
    assert divergence(torch.tensor([[1.0, 0.0]]), q).item() == pytest.approx(math.log(4))


def test_statistics_tell_a_settled_description_from_a_moving_one() -> None:
    sure, even = torch.tensor([[0.98, 0.01, 0.01]]), torch.full((1, 3), 1 / 3)
    peak, margin, entropy, moved, changed = statistics(sure, sure)[0].tolist()
    assert (peak, margin) == pytest.approx((0.98, 0.97))
    assert entropy < 0.15
    assert (moved, changed) == pytest.approx((0, 0), abs=1e-6)
    assert statistics(even, sure)[0, 2].item() == pytest.approx(1)
    other = torch.tensor([[0.01, 0.98, 0.01]])
    assert statistics(other, sure)[0, 3] > 4
    assert statistics(other, sure)[0, 4] == 1
    assert statistics(sure, None)[0, 3:].tolist() == [0, 1]


def test_a_photo_shows_what_fits_it_as_well_as_the_best_general_texts() -> None:
    angles = torch.linspace(0, math.pi / 2, 3 * ONE_IN)  # from level to vertical
    general = torch.stack([angles.cos(), angles.sin()], 1)
    phrase = general[-3:-2]  # among vertical photos' best three, and the worst of the level ones'
    interest = Interest(phrase, general)
    assert interest.shown_by(torch.tensor([[0.0, 1.0], [1.0, 0.0]])).tolist() == [True, False]
    assert not Interest(general[-4:-3], general).shown_by(torch.tensor([[0.0, 1.0]]))
    several = Interest(torch.cat([phrase, general[:1]]), general)
    assert several.shown_by(torch.tensor([[0.0, 1.0], [1.0, 0.0]])).all()
    assert interest.macs == 2 * (3 * ONE_IN + 1)


def test_comments_and_blank_lines_are_no_guide_texts(tmp_path: Path) -> None:
    path = tmp_path / "guides.txt"
    path.write_text("# animals\na dog\n\n  a cat  \n")
    assert read_guide_texts(path) == ["a dog", "a cat"]


TEXTS = ["a dog", "a red car", "snow"]


@pytest.fixture
def model() -> Backbone:
    return tiny_models.backbone("vit")


@pytest.fixture
def encoded(model: Backbone, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that the model has encoded so far."""
    found: list[str] = []
    encode = model.encode_text
    monkeypatch.setattr(model, "encode_text", lambda texts: found.extend(texts) or encode(texts))
    return found


def kept(home: Path) -> Path:
    (path,) = (home / text_bank.FOLDER).iterdir()
    return path


def test_the_second_start_reads_what_the_first_one_made(model: Backbone, encoded: list[str]) -> None:
    made = text_bank.kept_embeddings(model, "w", TEXTS)
    assert len(encoded) == 3
    assert torch.equal(text_bank.kept_embeddings(model, "w", TEXTS), made)
    assert len(encoded) == 3


def test_other_texts_weights_or_tokens_are_encoded_anew(
    model: Backbone, encoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text_bank.kept_embeddings(model, "w", TEXTS)
    for weights, texts in (("w", TEXTS[:2]), ("w", [*TEXTS[:2], "sea"]), ("w", TEXTS[::-1]), ("v", TEXTS)):
        before = len(encoded)
        found = text_bank.kept_embeddings(model, weights, texts)
        assert len(encoded) == before + len(texts)
        assert torch.equal(found, tiny_models.backbone("vit").encode_text(texts))
    text_bank.kept_embeddings(model, "w", TEXTS)
    before, tokenize = len(encoded), model.tokenize
    monkeypatch.setattr(model, "tokenize", lambda texts: tokenize([text.upper() for text in texts]))
    text_bank.kept_embeddings(model, "w", TEXTS)
    assert len(encoded) == before + 3


def test_a_new_list_of_a_model_takes_the_place_of_its_old_one(model: Backbone, home: Path) -> None:
    text_bank.kept_embeddings(model, "w", TEXTS)
    text_bank.kept_embeddings(model, "w", TEXTS[:2])
    assert len(load_file(kept(home))["vectors"]) == 2


def test_a_damaged_or_foreign_file_is_replaced(model: Backbone, encoded: list[str], home: Path) -> None:
    made = text_bank.kept_embeddings(model, "w", TEXTS)
    whole = kept(home).read_bytes()
    for damage in (whole[:-5], b"", b"nothing"):
        kept(home).write_bytes(damage)
        assert torch.equal(text_bank.kept_embeddings(model, "w", TEXTS), made)
        assert kept(home).read_bytes() == whole
    save_file({"vectors": made}, kept(home))
    before = len(encoded)
    text_bank.kept_embeddings(model, "w", TEXTS)
    assert len(encoded) == before + 3


def test_a_data_folder_that_cannot_be_used_costs_time_alone(
    model: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("TGEM_HOME", str(tmp_path / "file"))
    assert len(text_bank.kept_embeddings(model, "w", TEXTS)) == 3


def test_a_loaded_encoder_finds_its_guide_texts_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_encoder(precision="float32")
    made = first.guides
    second = load_encoder(precision="float32")
    monkeypatch.setattr(second.backbone, "encode_text", pytest.fail)
    assert torch.equal(second.guides, made)
