"""Image towers cut into stages: one function for each family that open_clip can build.

This module and `backbone.py` are the only ones that know open_clip's and timm's inner names.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from open_clip.modified_resnet import ModifiedResNet
from open_clip.timm_model import TimmModel
from open_clip.transformer import VisionTransformer
from timm.models import convnext, efficientnet, eva, fastvit, vision_transformer
from torch import Tensor, nn

WORKS = (
    "OpenCLIP's own ViTs (CoCa's among them) and ResNets, and timm's ViTs (SigLIP, MobileCLIP-B, ViTamin), "
    "EVAs (PE-Core), ConvNeXts, EfficientNets and FastViTs (MobileCLIP)"
)


def pool(features: Tensor) -> Tensor:
    """Mean and max over positions; (B, C, H, W) to (B, 2C) float32."""
    features = features.float()
    return torch.cat([features.mean((2, 3)), features.amax((2, 3))], 1)


@dataclass(frozen=True)
class TowerStage:
    """One stage of an image tower."""

    name: str
    run: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Tower:
    """An image tower as stages; running them all and then `finish` is the model's own `encode_image`.

    Stages take and give what the tower passes along, the first one normalised pixels; `pooled` gives the features that
    a readout after a stage sees, (B, F) float32; `finish` the raw embedding, (B, D).
    """

    stages: tuple[TowerStage, ...]
    pooled: Callable[[Tensor], Tensor]
    finish: Callable[[Tensor], Tensor]


def cut(visual: nn.Module) -> Tower | None:
    """The image tower of an open_clip model as stages; None where its kind cannot be cut."""
    if isinstance(visual, VisionTransformer):
        return native_vit(visual)
    if isinstance(visual, ModifiedResNet):
        return modified_resnet(visual)
    if not isinstance(visual, TimmModel):
        return None
    for kind, family in TIMM_FAMILIES:
        # A subclass that goes its own way through its stages would be cut wrongly, and without a word.
        if isinstance(visual.trunk, kind) and type(visual.trunk).forward_features is kind.forward_features:
            return family(visual)
    return None


def kind_of(visual: nn.Module) -> str:
    """What a tower is, for a sentence that refuses it."""
    return type(visual.trunk if isinstance(visual, TimmModel) else visual).__name__


def pool_tokens(tokens: Tensor, prefix: int) -> Tensor:
    """Class token and mean of the patch tokens, (B, N, C) to (B, 2C) float32.

    Args: prefix: tokens before the patches, the class token first; without any, the max of the patches stands for it.
    """
    tokens = tokens.float()
    patches = tokens[:, prefix:]
    first = tokens[:, 0] if prefix else patches.amax(1)
    return torch.cat([first, patches.mean(1)], 1)


def native_vit(visual: VisionTransformer) -> Tower:
    """OpenCLIP's own ViT: class-token, average or attention pooling; CoCa's image tower is one, too."""

    def finish(tokens: Tensor) -> Tensor:
        found = visual._pool(tokens)[0]
        return found if visual.proj is None else found @ visual.proj

    blocks = [TowerStage(f"blocks.{i}", block) for i, block in enumerate(visual.transformer.resblocks)]
    return Tower((TowerStage("embed", visual._embeds), *blocks), partial(pool_tokens, prefix=1), finish)


def modified_resnet(visual: ModifiedResNet) -> Tower:
    """OpenAI's ResNet, with attention pooling at its end."""
    layers = (visual.layer1, visual.layer2, visual.layer3, visual.layer4)
    blocks = [TowerStage(f"layers.{i}.{j}", block) for i, layer in enumerate(layers) for j, block in enumerate(layer)]
    return Tower((TowerStage("stem", visual.stem), *blocks), pool, visual.attnpool)


def timm_vit(visual: TimmModel) -> Tower:
    """timm's ViT: SigLIP and SigLIP 2, MobileCLIP-B, ViTamin."""
    trunk = visual.trunk

    def embed(pixels: Tensor) -> Tensor:
        return trunk.norm_pre(trunk.patch_drop(trunk._pos_embed(trunk.patch_embed(pixels))))

    finish = _headed(visual, trunk.norm)
    blocks = [TowerStage(f"blocks.{i}", block) for i, block in enumerate(trunk.blocks)]
    return Tower((TowerStage("embed", embed), *blocks), partial(pool_tokens, prefix=trunk.num_prefix_tokens), finish)


def timm_eva(visual: TimmModel) -> Tower:
    """timm's EVA: EVA-01, EVA-02 and the Perception Encoder, with or without rotary positions."""
    trunk = visual.trunk

    def embed(pixels: Tensor) -> Tensor:
        return trunk.norm_pre(trunk._pos_embed(trunk.patch_embed(pixels))[0])

    def rotary(depth: int) -> Tensor | None:
        """The rotary embedding of a block; it depends on the grid alone, which such a tower reads in one size."""
        if trunk.rope is None:
            return None
        known = hasattr(trunk.rope, "feat_shape") and not trunk.dynamic_img_size
        found = trunk.rope.get_embed() if known else trunk.rope.get_embed(shape=trunk.patch_embed.grid_size)
        return found[depth] if getattr(trunk, "rope_mixed", False) else found

    def stage(depth: int, block: nn.Module) -> TowerStage:
        return TowerStage(f"blocks.{depth}", lambda tokens: block(tokens, rope=rotary(depth)))

    finish = _headed(visual, trunk.norm)
    blocks = [stage(depth, block) for depth, block in enumerate(trunk.blocks)]
    return Tower((TowerStage("embed", embed), *blocks), partial(pool_tokens, prefix=trunk.num_prefix_tokens), finish)


def timm_efficientnet(visual: TimmModel) -> Tower:
    """timm's EfficientNet; the embedded model's trunk is one."""
    trunk = visual.trunk

    def stem(pixels: Tensor) -> Tensor:
        return trunk.bn1(trunk.conv_stem(pixels))

    finish = _headed(visual, lambda features: trunk.bn2(trunk.conv_head(features)).float())
    blocks = [
        TowerStage(f"blocks.{i}.{j}", block) for i, stage in enumerate(trunk.blocks) for j, block in enumerate(stage)
    ]
    return Tower((TowerStage("stem", stem), *blocks), pool, finish)


def timm_convnext(visual: TimmModel) -> Tower:
    """timm's ConvNeXt."""
    trunk = visual.trunk
    finish = _headed(visual, trunk.norm_pre)
    return Tower((TowerStage("stem", trunk.stem), *_blocks(trunk.stages, ("downsample",))), pool, finish)


def timm_fastvit(visual: TimmModel) -> Tower:
    """timm's FastViT, as in MobileCLIP."""
    trunk = visual.trunk
    finish = _headed(visual, trunk.final_conv)
    return Tower((TowerStage("stem", trunk.stem), *_blocks(trunk.stages, ("downsample", "pos_emb"))), pool, finish)


def _headed(visual: TimmModel, last: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """How a timm tower ends: with its last layer, its pooling, and open_clip's projection."""
    return lambda features: visual.head(visual.trunk.forward_head(last(features)))


def _blocks(stages: Sequence[Any], entrance: Sequence[str]) -> Iterator[TowerStage]:
    """The blocks of convolutional stages; what a stage does on entering belongs to its first block."""
    for i, stage in enumerate(stages):
        first, *rest = stage.blocks
        entered = nn.Sequential(*(getattr(stage, name) for name in entrance), first)
        for j, block in enumerate((entered, *rest)):
            yield TowerStage(f"stages.{i}.{j}", block)


TIMM_FAMILIES: tuple[tuple[Any, Callable[[TimmModel], Tower]], ...] = (
    (vision_transformer.VisionTransformer, timm_vit),
    (eva.Eva, timm_eva),
    (efficientnet.EfficientNet, timm_efficientnet),
    (convnext.ConvNeXt, timm_convnext),
    (fastvit.FastVit, timm_fastvit),
)
