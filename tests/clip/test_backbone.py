import numpy as np
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from torch import nn

from engine.clip.backbone import Backbone
from engine.exits.encoder import Encoder
from engine.exits.runner import own_embedding
from engine.utils.errors import ModelUnreadable
from tests import tiny_models


@pytest.mark.parametrize("mode", ["squash", "shortest", "longest"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_preprocessing_is_open_clips_own(mode: str, interpolation: str) -> None:
    model = tiny_models.backbone("vit")
    config = {"size": 32, "mean": (0.5,) * 3, "std": (0.5,) * 3, "resize_mode": mode, "interpolation": interpolation}
    ours = Backbone(model.model, tiny_models.tokenize, config, "tiny")
    theirs = image_transform_v2(PreprocessCfg(**config), is_train=False)
    noise = np.random.default_rng(0).integers(0, 256, (75, 118, 3), np.uint8)
    for photo in (Image.fromarray(noise), Image.fromarray(noise.transpose(1, 0, 2).copy())):
        pixels = ours.square.pixels(photo)
        assert pixels.dtype == np.uint8
        seen = ours.normalise(torch.from_numpy(pixels.copy())[None])[0]
        torch.testing.assert_close(seen, theirs(photo), atol=1e-6, rtol=0)


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_pixels_are_normalised_alike_and_stay_in_their_order_in_memory(order: torch.memory_format) -> None:
    model = tiny_models.backbone("vit").model
    mean, std = (0.1, 0.5, 0.7), (0.2, 0.3, 0.9)
    backbone = Backbone(model, tiny_models.tokenize, {"size": 32, "mean": mean, "std": std}, "tiny")
    pixels = torch.from_numpy(tiny_models.pixels(3, 32)).contiguous(memory_format=order)
    before = pixels.clone()
    found = backbone.normalise(pixels)
    assert found.is_contiguous(memory_format=order)
    colours = [(pixels[:, i].float() / 255 - mean[i]) / std[i] for i in range(3)]
    assert torch.equal(found, torch.stack(colours, 1))
    assert torch.equal(pixels, before)


def test_a_tower_that_cannot_be_cut_is_named() -> None:
    model = nn.Module()
    model.visual = nn.Linear(2, 2)
    preprocess = {"size": 32, "mean": (0.5,) * 3, "std": (0.5,) * 3}
    with pytest.raises(ModelUnreadable, match=r"my-model is a Linear.*what works: OpenCLIP's own ViTs"):
        Backbone(model, tiny_models.tokenize, preprocess, "my-model")


def test_a_model_for_oblong_pictures_is_refused() -> None:
    model = tiny_models.backbone("vit").model
    with pytest.raises(ModelUnreadable, match="only models that read squares"):
        Backbone(model, tiny_models.tokenize, {"size": (32, 64), "mean": (0.5,) * 3, "std": (0.5,) * 3}, "oblong")


def test_text_embeddings_do_not_depend_on_the_texts_beside_them(embedded: Encoder) -> None:
    model = embedded.backbone
    alone = model.encode_text(["a dog"])
    beside = model.encode_text(["a dog", "a long text about two people who walk along a river in the evening"])
    assert torch.allclose(alone[0], beside[0], atol=1e-6)
    assert torch.allclose(beside.norm(dim=1), torch.ones(2))


@pytest.mark.parametrize("kind", tiny_models.VISION)
def test_in_bfloat16_a_tower_runs_where_nothing_can_be_fused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU, but for its arithmetic."""
    model = tiny_models.backbone(kind)
    monkeypatch.setattr(Backbone, "has_quick_tower", True)
    monkeypatch.setattr(Backbone, "fused_tower", lambda *_: None)
    tower, pixels = model.quick_tower(), tiny_models.pixels(3, model.size)
    assert tower is not None
    with torch.inference_mode():
        found = own_embedding(tower, model.normalise(torch.from_numpy(pixels))).float()
    alike = nn.functional.cosine_similarity(found, model.encode_image(pixels).float())
    assert alike.min() > 0.99
