"""An EfficientNet in training: frozen early stages that run fast, and trained ones with exits along them."""

from copy import deepcopy
from typing import Any

import torch
from timm.layers.drop import DropPath
from torch import Tensor, nn

from engine.clip.device import cpu_dtype
from engine.clip.fuse import conv_norm_pairs, fuse_for_inference
from engine.training.depthwise import speed_up_depthwise

FIRST_TRAINED_STAGE = 3
DROP_PATH, DROPOUT = 0.2, 0.25
AT_ONCE = 16  # photos: their early feature maps are large
STORED_VARIANCE = 0.999  # with timm's eps of 1e-3 the restored norm scales by 1, also after rounding to float16


class FrozenStages:
    """The stages before the first one that is trained, fused, and in bfloat16 where the processor computes in it."""

    def __init__(self, folded: Any) -> None:
        """Args: an EfficientNet whose batch norms are folded."""
        self.stages = nn.Sequential(folded.conv_stem, folded.bn1, *folded.blocks[:FIRST_TRAINED_STAGE]).eval()
        self._fast = deepcopy(self.stages)
        self._dtype = cpu_dtype()
        fuse_for_inference(self._fast, self._dtype)

    @torch.no_grad()
    def __call__(self, views: Tensor) -> Tensor:
        """(B, 3, S, S) in [0, 1] to the feature maps that training goes on from, (B, C, H, W) in `cpu_dtype`."""
        pixels = ((views - 0.5) / 0.5).to(self._dtype).contiguous(memory_format=torch.channels_last)
        return torch.cat([self._fast(part) for part in pixels.split(AT_ONCE)]).to(self._dtype)

    def with_upper(self, blocks: nn.ModuleList, conv_head: nn.Module) -> nn.Module:
        """The whole folded trunk, under its own names."""
        trunk = nn.Module()
        trunk.conv_stem, trunk.conv_head = self.stages[0], conv_head
        trunk.blocks = nn.ModuleList([*list(self.stages)[2:], *blocks])
        return trunk


def trained_blocks(folded: Any) -> nn.ModuleList:
    """The stages of an EfficientNet that are trained, with stochastic depth (Huang 2016) and fast depthwise gradients.

    Args: folded: its batch norms are folded; its blocks are changed.
    """
    blocks: Any = folded.blocks[FIRST_TRAINED_STAGE:]
    for stage in blocks:
        for block in stage:
            if block.has_skip:
                block.drop_path = DropPath(DROP_PATH)
    speed_up_depthwise(blocks)
    return nn.ModuleList(blocks)


@torch.no_grad()
def unfold_batch_norms(folded: nn.Module, target: nn.Module) -> None:
    """Write a folded module's weights into one of the same shape that still has its batch norms, as identity + bias."""
    weights = folded.state_dict()
    prefix = {child: name for name, child in target.named_modules()}
    for parent, conv_name, norm_name in conv_norm_pairs(target):
        conv, norm = getattr(parent, conv_name), getattr(parent, norm_name)
        path = f"{prefix[parent]}.{conv_name}".lstrip(".")
        conv.weight.copy_(weights[f"{path}.weight"])
        norm.bias.copy_(weights[f"{path}.bias"])
        norm.weight.fill_((STORED_VARIANCE + norm.eps) ** 0.5)
        norm.running_mean.zero_()
        norm.running_var.fill_(STORED_VARIANCE)
