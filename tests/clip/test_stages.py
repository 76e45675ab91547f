import json

import open_clip
import pytest
import torch
from open_clip.model import _build_vision_tower

from engine.clip.macs import count_macs
from engine.clip.stages import Tower, cut, kind_of
from tests import tiny_models

REFUSED = {
    "swin_base_patch4_window7_224": "SwinTransformer",
    "vit_relpos_medium_patch16_cls_224": "VisionTransformerRelPos",
}


def run(tower: Tower, state: torch.Tensor) -> torch.Tensor:
    for stage in tower.stages:
        state = stage.run(state)
    return tower.finish(state)


@pytest.mark.parametrize("kind", tiny_models.VISION)
def test_all_steps_together_are_the_models_own_encode_image(kind: str) -> None:
    model = tiny_models.backbone(kind)
    photos = model.normalise(torch.from_numpy(tiny_models.pixels(3, model.size)))
    expected = model.model.encode_image(photos, normalize=False)
    assert torch.equal(run(model.tower, photos), expected)
    assert (expected.std(0) > 0).all(), "photos must differ for this to mean anything"


@pytest.mark.parametrize("kind", tiny_models.VISION)
def test_rows_taken_out_halfway_leave_the_others_as_they_were(kind: str) -> None:
    model = tiny_models.backbone(kind)
    photos = model.normalise(torch.from_numpy(tiny_models.pixels(4, model.size)))
    expected = model.model.encode_image(photos, normalize=False)
    state, rows = photos, torch.arange(4)
    for i, stage in enumerate(model.tower.stages):
        state = stage.run(state)
        if i in (1, len(model.tower.stages) // 2):
            state, rows = state[:-1], rows[:-1]
    found = model.tower.finish(state)
    torch.testing.assert_close(found, expected[rows], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", tiny_models.VISION)
def test_pooled_features_are_of_one_photo_each_and_of_every_stage(kind: str) -> None:
    model = tiny_models.backbone(kind)
    pixels = torch.from_numpy(tiny_models.pixels(2, model.size))
    state, alone = model.normalise(pixels), model.normalise(pixels[:1])
    for stage in model.tower.stages:
        state, alone = stage.run(state), stage.run(alone)
        pooled = model.tower.pooled(state)
        assert pooled.ndim == 2
        torch.testing.assert_close(pooled[:1], model.tower.pooled(alone), atol=1e-4, rtol=1e-4)
        assert not torch.equal(pooled[0], pooled[1])


def image_towers() -> list[str]:
    """Names of open_clip's architectures, one of those that differ in their texts alone."""
    configs = {name: open_clip.get_model_config(name) for name in open_clip.list_models()}
    parts = ("embed_dim", "vision_cfg", "quick_gelu")
    return list({json.dumps([configs[name].get(part) for part in parts]): name for name in configs}.values())


@pytest.mark.architectures
@pytest.mark.parametrize("name", image_towers())
def test_every_architecture_of_open_clip_is_cut_whole_or_refused(name: str) -> None:
    config = open_clip.get_model_config(name)
    with torch.device("meta"):  # shapes alone: nothing is computed and nothing allocated
        visual = _build_vision_tower(config["embed_dim"], config["vision_cfg"], config.get("quick_gelu", False)).eval()
        photo = torch.zeros(1, 3, config["vision_cfg"]["image_size"], config["vision_cfg"]["image_size"])
    tower = cut(visual)
    if name in REFUSED:
        assert tower is None
        assert kind_of(visual) == REFUSED[name]
    else:
        assert tower is not None
        assert count_macs(lambda: run(tower, photo)) == count_macs(lambda: visual(photo))
