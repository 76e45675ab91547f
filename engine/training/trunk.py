"""An EfficientNet in training: frozen early stages that run fast, and trained ones with exits along them."""

from copy import deepcopy
from typing import Any

import torch
from timm.layers.drop import DropPath
from torch import Tensor, nn

from engine.clip.device import CPU, has_native_bfloat16
from engine.clip.fuse import fuse_for_inference
from engine.training.depthwise import speed_up_depthwise

FIRST_TRAINED_STAGE = 3
DROP_PATH, DROPOUT = 0.2, 0.25
AT_ONCE = 16  # photos: their early feature maps are large


class FrozenStages:
    """The stages before the first one that is trained, fused, and in bfloat16 where the processor computes in it."""

    def __init__(self, folded: Any) -> None:
        """Args: an EfficientNet whose batch norms are folded."""
        self.stages = nn.Sequential(folded.conv_stem, folded.bn1, *folded.blocks[:FIRST_TRAINED_STAGE]).eval()
        self._fast = deepcopy(self.stages)
        self._dtype = torch.bfloat16 if has_native_bfloat16(CPU) else torch.float32
        fuse_for_inference(self._fast, self._dtype)

    @torch.no_grad()
    def __call__(self, views: Tensor) -> Tensor:
        """(B, 3, S, S) in [0, 1] to the feature maps that training goes on from, (B, C, H, W) bfloat16."""
        pixels = ((views - 0.5) / 0.5).to(self._dtype).contiguous(memory_format=torch.channels_last)
        return torch.cat([self._fast(part) for part in pixels.split(AT_ONCE)]).bfloat16()

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
