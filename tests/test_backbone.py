import json
import shutil

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from torch import nn

from engine.backbone import EMBEDDED, ModelUnreadable, cut, load_folder
from tests import tiny


@pytest.mark.parametrize("kind", tiny.VISION)
def test_all_steps_together_are_the_models_own_encode_image(kind: str) -> None:
    model = tiny.backbone(kind)
    state = model.normalise(torch.from_numpy(tiny.pixels(3, model.size)))
    expected = model.model.encode_image(state)
    for step in model.tower.steps:
        state = step.run(state)
    assert torch.equal(model.tower.finish(state), expected)


@pytest.mark.parametrize(
    ("mode", "left", "right"), [("squash", "red", "blue"), ("shortest", "black", "black"), ("longest", "red", "blue")]
)
def test_resize_modes_keep_or_cut_the_sides_of_a_wide_photo(mode: str, left: str, right: str) -> None:
    model = tiny.backbone("vit")
    model.resize_mode = mode
    photo = Image.new("RGB", (300, 100), "black")
    photo.paste("red", (0, 0, 80, 100))
    photo.paste("blue", (220, 0, 300, 100))
    seen = model.preprocess(photo)
    assert seen.size == (32, 32)
    colours = {"red": (255, 0, 0), "blue": (0, 0, 255), "black": (0, 0, 0)}
    assert seen.getpixel((1, 16)) == colours[left]
    assert seen.getpixel((30, 16)) == colours[right]


def test_a_tower_that_cannot_be_cut_is_named() -> None:
    with pytest.raises(ModelUnreadable, match=r"my-model is a Linear.*what works"):
        cut(nn.Linear(2, 2), "my-model")


def test_text_embeddings_do_not_depend_on_the_texts_beside_them() -> None:
    model = load_folder(EMBEDDED)
    alone = model.encode_text(["a dog"])
    beside = model.encode_text(["a dog", "a long text about two people who walk along a river in the evening"])
    assert torch.allclose(alone[0], beside[0], atol=1e-6)
    assert torch.allclose(beside.norm(dim=1), torch.ones(2))


def test_the_embedded_model_loads_from_any_working_directory(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_folder(EMBEDDED).dim == 512


def test_plain_open_clip_loads_the_embedded_model_from_the_repository_root(monkeypatch) -> None:
    monkeypatch.chdir(EMBEDDED.parents[2])
    plain = open_clip.create_model("local-dir:assets/models/tgem-mini", pretrained_text=False, pretrained_image=False)
    ours = load_folder(EMBEDDED)
    photos = ours.normalise(torch.from_numpy(tiny.pixels(2, ours.size)))
    with torch.no_grad():
        assert torch.equal(plain.eval().encode_image(photos), ours.model.encode_image(photos))


def test_a_damaged_model_is_one_sentence(tmp_path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(EMBEDDED, folder)
    whole = (folder / "open_clip_model.safetensors").read_bytes()
    (folder / "open_clip_model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelUnreadable, match="cannot be loaded") as caught:
        load_folder(folder)
    assert "\n" not in str(caught.value)
    (folder / "open_clip_model.safetensors").unlink()
    with pytest.raises(ModelUnreadable, match=r"has no open_clip_model\.safetensors"):
        load_folder(folder)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": {}}))
    with pytest.raises(ModelUnreadable, match=r"open_clip_config\.json"):
        load_folder(folder)


def test_preprocess_gives_bytes_not_floats() -> None:
    model = tiny.backbone("vit")
    assert np.asarray(model.preprocess(Image.new("RGB", (40, 20)))).dtype == np.uint8
