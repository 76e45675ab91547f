"""Small random models: real open_clip classes, a few thousand weights."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from torch import Tensor

from engine.clip.backbone import Backbone
from engine.clip.small_tower import LAST_MAP
from engine.exits.budget import BUDGET_GRID, Plan
from engine.exits.checkpoint import FittedExits, unfitted
from engine.exits.encoder import Encoder, Identity
from engine.exits.loading import assembled
from engine.exits.modules import HEAD, Exit, ExitModules

DIM = 16
GUIDES = ("a dog", "a cat", "red car", "blue sky", "green tree", "two people")
TEXT = {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1}
VIT = {"image_size": 32, "layers": 4, "width": 32, "head_width": 16, "patch_size": 8}


SMALL = ("vit", "siglip", "resnet", "efficientnet", "convnext")  # whose batches take no time


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
    for norm in model.modules():  # fresh batch norms are all alike, which would hide mistakes
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.get_buffer("running_mean").normal_(0, 0.1)
            norm.get_buffer("running_var").uniform_(0.8, 1.2)
    for name, parameter in model.visual.named_parameters():
        if name.endswith(("gamma", "bn3.weight")) and parameter.abs().max() < 1e-3:  # a lost block would not show
            torch.nn.init.uniform_(parameter, 0.5, 1.0)
    preprocess = {"size": VISION[kind]["image_size"], "mean": (0.5,) * 3, "std": (0.5,) * 3, "resize_mode": "squash"}
    return Backbone(model, tokenize, preprocess, f"tiny-{kind}")


def exits_of(model: Backbone, every: int) -> list[Exit]:
    """An exit after every n-th step but the last, read from the tower's own pooled features."""
    steps, shapes = model.tower.steps[:-1], model.shapes
    found = []
    for step, shape in list(zip(steps, shapes, strict=False))[every - 1 :: every]:
        width = int(model.tower.pooled(torch.zeros(shape)).shape[1])
        found.append(Exit(step.name, width))
    return found


def ladder_of(model: Backbone, scout: bool = False) -> list[Exit]:
    """Two passes over smaller inputs, then exits along the depth; a scout, where one is wanted, runs two more first."""
    seen = model.dim + int(model.tower.pooled(torch.zeros(model.shapes[-1])).shape[1])
    first = [Exit(HEAD, model.dim + 2 * LAST_MAP, size=size, scout=True) for size in (32, 48)]
    return [*(first if scout else []), Exit(HEAD, seen, size=32), Exit(HEAD, seen, size=48), *exits_of(model, 2)]


def plans(*opens: tuple[int, ...]) -> list[Plan]:
    """A plan for each budget; several ways share the grid, thriftiest first; a single one gets dearer to that end."""
    many = len(BUDGET_GRID)
    prices = np.geomspace(2.0, 0.5, many).tolist() if len(opens) == 1 else [1.0] * many
    return [Plan(opens[i * len(opens) // many], price) for i, price in enumerate(prices)]


def fitted(modules: ExitModules, *opens: tuple[int, ...]) -> FittedExits:
    """Exits as `fit` would leave them, the scores at an exit telling little of those at full depth."""
    return replace(unfitted(modules), plans=tuple(plans(*opens)))


def encoder(kind: str = "vit", seed: int = 0, opens: tuple[tuple[int, ...], ...] = (), scout: bool = False) -> Encoder:
    """A random encoder whose gates differ from photo to photo: at the middle price each lets about half of them go.

    `opens` (which exits are asked, thriftiest budgets first) makes a ladder with passes over smaller inputs; without it
    all exits are along the depth, and all are asked. A ladder may begin with passes of a scout.
    """
    model = backbone(kind, seed)
    modules = ExitModules(ladder_of(model, scout) if opens else exits_of(model, 1 if kind == "vit" else 2), model.dim)
    torch.manual_seed(seed + 4)
    for k in range(len(modules.gates)):
        torch.nn.init.normal_(modules.get_parameter(f"gates.{k}.out.weight"), std=3.0)
    exits = fitted(modules, *(opens or (tuple(range(len(modules.exits))),)))
    found = assembled(model, exits, Identity("tiny", "w", "e"), GUIDES, Path())
    gates, _ = found.decide(found.trace(pixels(32, model.size, seed=1)))
    for k in range(len(modules.gates)):
        asking = [column for column, plan in enumerate(exits.plans) if k in plan.open]
        if asking:
            modules.get_parameter(f"gates.{k}.out.bias")[0] -= gates[:, k, asking[len(asking) // 2]].logit().median()
    return found


def pixels(many: int, size: int, seed: int = 0) -> np.ndarray:
    """Random photos of different colours and patterns, (many, 3, size, size) uint8."""
    draw = np.random.default_rng(seed)
    colours, patterns = draw.uniform(0, 200, (many, 3, 1, 1)), draw.uniform(-1, 1, (many, 1, size, size))
    return np.clip(colours + patterns * draw.uniform(0, 120, (many, 1, 1, 1)), 0, 255).astype(np.uint8)
