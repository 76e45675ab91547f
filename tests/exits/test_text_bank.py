import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from engine.clip.backbone import Backbone
from engine.exits import text_bank
from engine.exits.loading import load_encoder
from engine.exits.text_bank import (
    BACKGROUND,
    NEAREST,
    STANDS_BACK,
    STATISTICS,
    Embeddings,
    TextBank,
    affinity,
    content_distribution,
    statistics,
)
from tests import tiny_models


def test_the_nearest_text_gets_the_largest_share() -> None:
    p = content_distribution(torch.tensor([[0.0, 1.0, 0.0]]), logit_scale=2.0)
    e = math.e**2
    assert p[0].tolist() == pytest.approx([1 / (2 + e), e / (2 + e), 1 / (2 + e)])


def test_affinity_is_the_mean_of_the_ten_highest_cosines() -> None:
    cosines = torch.linspace(-1, 1, 25)[torch.randperm(25)]
    assert float(affinity(cosines)) == pytest.approx(float(cosines.sort().values[-NEAREST:].mean()))
    assert affinity(cosines.expand(2, 3, 25)).shape == (2, 3)
    assert affinity(torch.tensor([[0.5, 0.25]])).tolist() == [0.375], "of all, where there are fewer"
    assert affinity(torch.zeros(2, 0)).tolist() == [0, 0]
    texts = F.normalize(torch.randn(25, 4), dim=1)
    bank = TextBank(tuple(map(str, range(25))), Embeddings(lambda: texts))
    photos = F.normalize(torch.randn(3, 4), dim=1)
    assert torch.allclose(bank.affinity(photos), (photos @ texts.T).sort(1).values[:, -NEAREST:].mean(1))


def test_statistics_tell_a_settled_description_from_a_moving_one() -> None:
    sure, even = torch.tensor([[1.0, 0.0, 0.0]]), torch.full((1, 3), 0.5)
    vector, other = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8]])
    fits, peak, margin, entropy, moved = statistics(vector, other, sure, 10.0)[0].tolist()
    assert (fits, moved) == pytest.approx((1 / 3, 0.4))
    assert peak > margin > 0.99
    assert entropy < 0.01
    assert statistics(vector, None, even, 10.0)[0].tolist() == pytest.approx([0.5, 1 / 3, 0, 1, 0], abs=1e-6)


@pytest.mark.parametrize("texts", [0, 1, 2, 30])
def test_statistics_are_numbers_for_every_bank(texts: int) -> None:
    vectors = F.normalize(torch.randn(4, 8), dim=1)
    for before in (None, vectors):
        found = statistics(vectors, before, torch.randn(4, texts), 100.0)
        assert found.shape == (4, STATISTICS)
        assert found.isfinite().all()
    assert statistics(vectors[:0], None, torch.zeros(0, texts), 100.0).shape == (0, STATISTICS)


def test_none_of_the_phrases_fits_where_other_texts_do() -> None:
    texts = torch.eye(4)
    bank = TextBank(tuple("abcd"), Embeddings(lambda: texts)).looking_for(
        ["x"], lambda _: torch.tensor([[0.0, 0.8, 0.6, 0.0]])
    )
    photos = torch.tensor([[1.0, 0, 0, 0], [0.0, 0.8, 0.6, 0.0], [0.0, 0.9, 0.3, 0.0]])
    phrase, none = bank.outcomes(photos, 5.0).T
    assert torch.allclose(phrase, torch.tensor([0.0, 1.0, 0.9]))
    assert torch.allclose(none, bank.affinity(photos) - STANDS_BACK / 5)


def test_the_background_is_from_all_over_the_bank() -> None:
    many = 10 * BACKGROUND + 5
    bank = TextBank(tuple(map(str, range(many))), Embeddings(lambda: torch.arange(many)[:, None].float()))
    found = bank.background[:, 0].tolist()
    assert BACKGROUND <= len(found) < 2 * BACKGROUND
    assert (found[0], found[-1]) == (0, many - 5)
    assert bank.macs(8) == many * 8
    named = bank.looking_for(["x", "y"], lambda phrases: torch.zeros(len(phrases), 1))
    assert (named.macs(8), named.outcome_macs(8)) == ((many + 2) * 8, (len(found) + 2) * 8)


def test_captions_count_in_affinities_and_costs_and_are_no_background() -> None:
    texts, captions = F.normalize(torch.randn(20, 4), dim=1), F.normalize(torch.randn(6, 4), dim=1)
    bank = TextBank(tuple(map(str, range(20))), Embeddings(lambda: texts, captions.half()))
    photos = F.normalize(torch.randn(3, 4), dim=1)
    named = bank.looking_for(["x"], lambda _: torch.ones(1, 4))
    for each in (bank, bank.on(torch.device("cpu")), named):
        assert each.vectors is bank.vectors, "of 34 MB in the shipped model"
        assert each.vectors.dtype == torch.float32
        cosines = photos @ torch.cat([texts, captions]).T
        assert torch.allclose(each.affinity(photos), cosines.topk(NEAREST).values.mean(1), atol=1e-3)
        assert torch.equal(each.background, texts)
    assert (bank.macs(4), named.macs(4), named.outcome_macs(4)) == (26 * 4, 27 * 4, 21 * 4)


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


def test_a_loaded_encoder_finds_its_bank_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_models.save_model(tmp_path / "model")
    monkeypatch.setattr("engine.exits.loading.read_texts", lambda: TEXTS)
    first, second = (load_encoder(f"local-dir:{tmp_path / 'model'}", "float32") for _ in range(2))
    made = first.bank.vectors
    monkeypatch.setattr(second.backbone, "encode_text", pytest.fail)
    assert torch.equal(second.bank.vectors, made)
