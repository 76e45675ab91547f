import json
import logging
import shutil
from pathlib import Path
from unittest.mock import Mock

import huggingface_hub
import open_clip
import pytest
import torch
from safetensors.torch import save_file
from transformers import dynamic_module_utils

from engine.clip import factory
from engine.clip.factory import load_folder, load_model, named
from engine.utils.errors import EngineError, ModelUnreadable
from engine.utils.paths import EMBEDDED_MODEL
from tests import tiny_models


def test_the_embedded_model_loads_in_plain_open_clip_and_here_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(EMBEDDED_MODEL.parents[2])
    plain = open_clip.create_model("local-dir:assets/models/tgem-mini", pretrained_text=False, pretrained_image=False)
    monkeypatch.chdir(tmp_path)
    ours = load_folder(EMBEDDED_MODEL)
    assert ours.dim == 512
    photos = ours.normalise(torch.from_numpy(tiny_models.pixels(2, ours.size)))
    with torch.no_grad():
        assert torch.equal(plain.eval().encode_image(photos), ours.model.encode_image(photos))


def test_a_damaged_model_is_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(EMBEDDED_MODEL, folder)
    weights = folder / "open_clip_model.safetensors"
    whole = weights.read_bytes()
    for damage in (whole[: len(whole) // 2], b"", b"\xff" * 10_000):
        weights.write_bytes(damage)
        with pytest.raises(ModelUnreadable, match="cannot be loaded") as caught:
            load_folder(folder)
        assert "\n" not in str(caught.value)
        assert str(folder) in str(caught.value)
    pickled = weights.rename(folder / "open_clip_pytorch_model.bin")  # would have to be unpickled, so it is not read
    for _ in range(2):
        with pytest.raises(ModelUnreadable, match=r"has no open_clip_model\.safetensors"):
            load_folder(folder)
        pickled.unlink(missing_ok=True)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": {}}))
    with pytest.raises(ModelUnreadable, match=r"open_clip_config\.json"):
        load_folder(folder)


@pytest.mark.parametrize("asked", ["tokenizer", "configuration"])
def test_code_that_comes_with_a_model_is_never_run(tmp_path: Path, asked: str) -> None:
    folder, ran = tmp_path / "model", tmp_path / "ran"
    folder.mkdir()
    for file in EMBEDDED_MODEL.iterdir():
        (folder / file.name).symlink_to(file)
    (folder / "evil.py").write_text(f"open({str(ran)!r}, 'w')\nclass Evil: pass\n")
    own: dict[str, object] = {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Evil"}}
    name = "config.json"
    if asked == "tokenizer":
        name, own = (
            "tokenizer_config.json",
            {"tokenizer_class": "Evil", "auto_map": {"AutoTokenizer": ["evil.Evil", None]}},
        )
        config = json.loads((folder / "open_clip_config.json").read_text("utf-8"))
        config["model_cfg"]["text_cfg"]["tokenizer_kwargs"] = {"trust_remote_code": True}
        (folder / "open_clip_config.json").unlink()
        (folder / "open_clip_config.json").write_text(json.dumps(config))
    (folder / name).unlink()
    (folder / name).write_text(json.dumps(own))
    before = vars(dynamic_module_utils).copy()
    with pytest.raises(ModelUnreadable, match="Python code of its own, which is not run here"):
        load_folder(folder)
    assert not ran.exists()
    assert vars(dynamic_module_utils) == before, "what else the process loads is its own affair"


@pytest.mark.parametrize(
    "wrong",
    [
        {"model_cfg": {"vision_cfg": {}, "text_cfg": None}},
        {"preprocess_cfg": {"std": [0, 0, 0]}},
        {"preprocess_cfg": {"mean": [0.5, 0.5]}},
        {"preprocess_cfg": {"fill_color": "x"}},
        {"preprocess_cfg": {"resize_mode": "stretch"}},
        {"preprocess_cfg": {"interpolation": "nearestish"}},
    ],
)
def test_a_configuration_that_cannot_be_meant_is_one_sentence(tmp_path: Path, wrong: dict[str, object]) -> None:
    for file in EMBEDDED_MODEL.iterdir():
        (tmp_path / file.name).symlink_to(file)
    config = json.loads((EMBEDDED_MODEL / "open_clip_config.json").read_text("utf-8"))
    (tmp_path / "open_clip_config.json").unlink()
    (tmp_path / "open_clip_config.json").write_text(json.dumps({**config, **wrong}))
    with pytest.raises(ModelUnreadable):
        load_folder(tmp_path)


def test_a_text_encoder_is_no_clip(tmp_path: Path) -> None:
    vision = {"vision_cfg": {"image_size": 32, "layers": 1, "width": 16, "patch_size": 8}}
    for config, tensor in ((vision, "text.weight"), ({}, "visual.proj")):
        save_file({tensor: torch.zeros(1)}, tmp_path / "open_clip_model.safetensors")
        (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": {"text_cfg": {}, **config}}))
        with pytest.raises(ModelUnreadable, match="has no image tower; name a CLIP"):
            load_folder(tmp_path)


def test_random_weights_are_the_same_at_every_start_and_change_nothing_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    create = open_clip.create_model

    def warn_and_create(*args: object, **options: object) -> torch.nn.Module:
        logging.getLogger("another").warning("heard")
        return create(*args, **options)

    monkeypatch.setattr(open_clip, "create_model", warn_and_create)
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    first, second = (load_model("random:ViT-S-32-alt") for _ in range(2))
    assert torch.equal(torch.rand(1), expected), "the caller's own randomness"
    assert caplog.messages == ["heard"] * 2, "no warning of the weights, and others still"
    assert first.weights == second.weights
    assert first.name == "ViT-S-32-alt (random weights)"
    photos = first.backbone.normalise(torch.from_numpy(tiny_models.pixels(1, first.backbone.size)))
    with torch.no_grad():
        assert torch.equal(first.backbone.model.encode_image(photos), second.backbone.model.encode_image(photos))


def test_an_option_for_random_weights_needs_an_architecture() -> None:
    assert named("ViT-B-32", True) == "random:ViT-B-32"
    assert named(None, False) is None
    with pytest.raises(ModelUnreadable, match="needs the name of an architecture"):
        named(None, True)


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network, and nothing fetched before."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("ViT-B-23", "did you mean ViT-B-32"),
        ("ViT-B-32", "needs one of its tags .*ViT-B-32/laion2b_s34b_b79k"),
        ("/data/models/x", "^/data/models/x is not an OpenCLIP folder"),
        ("ViT-B-32/laion9b", "needs one of its tags"),
        ("ViTamin-S/datacomp1b", "HF_HUB_OFFLINE"),
        ("ViT-B-32/laion2b_s34b_b79k", "HF_HUB_OFFLINE"),
        ("hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "HF_HUB_OFFLINE"),
        ("hf-hub:a/b/c", "not a name of a Hub repository"),
        ("local-dir:~nobody-of-this-name/clip", "~nobody-of-this-name/clip is not an OpenCLIP folder"),
    ],
)
def test_a_model_that_cannot_be_had_is_one_sentence(name: str, sentence: str, offline: None) -> None:
    with pytest.raises(EngineError, match=sentence) as caught:
        load_model(name)
    assert "\n" not in str(caught.value)


def test_a_model_larger_than_memory_is_refused_before_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factory, "available_memory", lambda: 1_000_000)
    with pytest.raises(ModelUnreadable, match=r"needs 0\.\d GB of memory to load and 0\.0 GB are free"):
        load_folder(EMBEDDED_MODEL)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_a_model_that_memory_has_no_room_for_is_not_damaged(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(open_clip, "create_model", Mock(side_effect=error))
    with pytest.raises(ModelUnreadable, match="does not fit into memory; choose a smaller model"):
        load_folder(EMBEDDED_MODEL)
