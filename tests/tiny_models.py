"""Small random models: real open_clip classes, a few thousand weights."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from PIL import Image
from safetensors.torch import save
from torch import Tensor, nn

from engine.clip.backbone import Backbone
from engine.clip.small_tower import LAST_MAP
from engine.exits.budget import log_prices
from engine.exits.checkpoint import unfitted
from engine.exits.encoder import Encoder, Identity, Trace
from engine.exits.loading import assembled
from engine.exits.modules import HEAD, Exit, ExitModules
from engine.exits.text_bank import statistics

DIM = 16
BANK = tuple(
    f"{colour} {thing}" for thing in ("dog", "car", "sky", "tree") for colour in ("red", "blue", "small", "two")
)
TEXT = {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1}
VIT = {"image_size": 32, "layers": 4, "width": 32, "head_width": 16, "patch_size": 8}


def _timm(name: str, size: int, pool: str, proj: str) -> dict[str, str | int | bool]:
    return {
        "timm_model_name": name,
        "timm_model_pretrained": False,
        "timm_pool": pool,
        "timm_proj": proj,
        "image_size": size,
    }


VISION: dict[str, dict[str, Any]] = {  # by family and what is special about it, as open_clip's configurations have it
    "vit": VIT,
    "vit-quickgelu": VIT,
    "vit-average": VIT | {"pool_type": "avg", "final_ln_after_pool": True, "no_ln_pre": True},
    "vit-attention": VIT | {"attentional_pool": True, "attn_pooler_queries": 4, "attn_pooler_heads": 2},
    "vit-custom-block": VIT | {"qk_norm": True, "scale_heads": True, "ls_init_value": 0.1},
    "coca": VIT | {"attentional_pool": True, "attn_pooler_queries": 4, "attn_pooler_heads": 2, "output_tokens": True},
    "resnet": {"image_size": 64, "layers": [1, 1, 2, 1], "width": 8, "head_width": 16},
    "siglip": _timm("test_vit", 160, "map", "none"),
    "timm-vit": _timm("vit_tiny_patch16_224", 224, "token", ""),
    "eva": _timm("eva02_tiny_patch14_224", 224, "token", ""),
    "pe-core": _timm("vit_pe_core_tiny_patch16_384", 384, "map", ""),
    "efficientnet": _timm("test_efficientnet", 64, "catavgmax", ""),
    "convnext": _timm("test_convnext", 64, "", "linear"),
    "fastvit": _timm("fastvit_mci0", 64, "avg", ""),
}


def tokenize(texts: list[str]) -> Tensor:
    """Words to ids by their letters; the end of a text has the highest id, as CLIP's towers expect."""
    ids = torch.zeros(len(texts), TEXT["context_length"], dtype=torch.long)
    for row, text in zip(ids, texts, strict=True):
        words = [sum(map(ord, word)) % 62 + 1 for word in text.split()][: TEXT["context_length"] - 1]
        row[: len(words) + 1] = torch.tensor([*words, 63])
    return ids


def backbone(kind: str, seed: int = 0) -> Backbone:
    """A random model of a kind of VISION."""
    torch.manual_seed(seed)
    vision, text, parts = VISION[kind], TEXT, {}
    build = open_clip.CustomTextCLIP if "timm_model_name" in vision else open_clip.CLIP
    if kind == "coca":
        build, text, parts = open_clip.CoCa, TEXT | {"output_tokens": True}, {"multimodal_cfg": TEXT}
    dim = 64 if kind == "siglip" else DIM  # without a projection, the trunk's own width
    model = build(embed_dim=dim, vision_cfg=vision, text_cfg=text, quick_gelu=kind.endswith("quickgelu"), **parts)
    _unlike_norms(model)
    for name, parameter in model.visual.named_parameters():
        if name.endswith(("gamma", "bn3.weight")) and parameter.abs().max() < 1e-3:  # a lost block would not show
            torch.nn.init.uniform_(parameter, 0.5, 1.0)
    preprocess = {"size": VISION[kind]["image_size"], "mean": (0.5,) * 3, "std": (0.5,) * 3, "resize_mode": "squash"}
    return Backbone(model, tokenize, preprocess, f"tiny-{kind}")


def model_files(seed: int = 0) -> dict[str, bytes]:
    """An OpenCLIP repository with random weights."""
    model: dict[str, Any] = {"embed_dim": 16, "vision_cfg": VIT, "text_cfg": {"width": 16, "heads": 2, "layers": 1}}
    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"}
    config = {"model_cfg": model, "preprocess_cfg": preprocess}
    torch.manual_seed(seed)
    weights = {name: tensor.contiguous() for name, tensor in open_clip.CLIP(**model).state_dict().items()}
    return {"open_clip_config.json": json.dumps(config).encode(), "open_clip_model.safetensors": save(weights)}


def save_model(folder: Path) -> None:
    """Write that repository into a folder, which is made."""
    folder.mkdir()
    for name, data in model_files().items():
        (folder / name).write_bytes(data)


def exits_of(model: Backbone, every: int) -> list[Exit]:
    """An exit after every n-th stage but the last, read from the tower's own pooled features."""
    stages, shapes = model.tower.stages[:-1], model.shapes
    found = []
    for stage, shape in list(zip(stages, shapes, strict=False))[every - 1 :: every]:
        width = int(model.tower.pooled(torch.zeros(shape)).shape[1])
        found.append(Exit(stage.name, width))
    return found


def ladder_of(model: Backbone, every: int, sizes: Sequence[int] = ()) -> list[Exit]:
    """Passes of smaller towers over inputs of those sizes, each larger than the one before; then exits along the depth.

    Args: every: see `exits_of`; 0: no exit along the depth.
    """
    trunks = [list(LAST_MAP)[min(number, len(LAST_MAP) - 1)] for number in range(len(sizes))]
    firsts = [Exit(HEAD, model.dim + 2 * LAST_MAP[t], t, size) for t, size in zip(trunks, sizes, strict=True)]
    return [*firsts, *(exits_of(model, every) if every else [])]


def encoder(
    kind: str = "vit", seed: int = 0, sizes: Sequence[int] = (), every: int | None = None, joined: bool = False
) -> Encoder:
    """A random encoder whose gates differ from photo to photo, and whose prices meet their budgets on such photos.

    Args:
        sizes: of the inputs of smaller towers, whose passes come first.
        every: an exit after every n-th of the model's own stages; None: 1 for a ViT, else 2; 0: none.
        joined: the last embedding is read together with the one before.
    """
    model = backbone(kind, seed)
    every = (1 if kind == "vit" else 2) if every is None else every
    torch.manual_seed(seed + 4)
    modules = ExitModules(ladder_of(model, every, sizes), model.dim, joined)
    _unlike_norms(modules)
    for gate in modules.gates:
        nn.init.normal_(gate.get_parameter("out.weight"), std=3.0)
    found = assembled(model, unfitted(modules), Identity("tiny", "w", "e"), BANK, Path())
    trace = found.trace(pixels(32, model.size, seed=1))
    for k, middle in enumerate(leanings(found, trace).median(0).values):  # so that photos leave at every exit
        modules.get_parameter(f"gates.{k}.out.bias")[0] -= middle
    leaning, shares = leanings(found, trace), torch.tensor(found.exit_macs) / found.full_macs
    exits = replace(
        found.fitted,
        log_prices=tuple(log_prices(leaning, shares)),
        reference=torch.stack(trace.vectors[:-1], 1),
    )
    return found.with_exits(exits, "e")


def bare(folder: Path = Path()) -> Encoder:
    """A random encoder without exits, which would lie in that folder."""
    return assembled(backbone("vit"), None, Identity("tiny", "w" * 64, ""), BANK, folder)


def leanings(encoder: Encoder, trace: Trace) -> Tensor:
    """(B, K - 1) Of the model's own gates."""
    bank, found = encoder.bank.vectors, []
    for k, (seen, v) in enumerate(zip(trace.seen, trace.vectors, strict=False)):
        before = trace.vectors[k - 1] if k else None
        stats = statistics(v, before, v @ bank.T, encoder.logit_scale)
        found.append(encoder.modules.gates[k](v, seen, stats))
    return torch.stack(found, 1)


def _unlike_norms(model: nn.Module) -> None:
    """Fresh batch norms are all alike, which would hide mistakes."""
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.get_buffer("running_mean").normal_(0, 0.1)
            norm.get_buffer("running_var").uniform_(0.8, 1.2)


def pixels(many: int, size: int, seed: int = 0) -> np.ndarray:
    """Random photos of different colours and patterns, (many, 3, size, size) uint8."""
    draw = np.random.default_rng(seed)
    colours, patterns = draw.uniform(0, 200, (many, 3, 1, 1)), draw.uniform(-1, 1, (many, 1, size, size))
    return np.clip(colours + patterns * draw.uniform(0, 120, (many, 1, 1, 1)), 0, 255).astype(np.uint8)


def pictures(many: int, size: int, seed: int = 0) -> list[Image.Image]:
    """The photos of `pixels`."""
    return [Image.fromarray(photo.transpose(1, 2, 0)) for photo in pixels(many, size, seed)]


def save_pictures(folder: Path, many: int, size: int) -> list[Path]:
    """Write photos into a folder, which is made where it is missing; returns their files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{number}.png" for number in range(many)]
    for file, picture in zip(files, pictures(many, size), strict=True):
        picture.save(file)
    return files
