"""Text-Guided Exit Modules: a readout and a gate per exit."""

import torch
from torch import Tensor, nn


def pool(features: Tensor) -> Tensor:
    """Mean and max over positions; (B, C, H, W) to (B, 2C) float32."""
    features = features.float()
    return torch.cat([features.mean((2, 3)), features.amax((2, 3))], 1)


class Branch(nn.Module):
    """A light convolutional step between a stage and its readout.

    A stride-16 map goes through one inverted-residual-like step down to stride 32; a stride-32 map through a pointwise one.
    """

    def __init__(self, channels: int, stride: int, expand: int = 192, width: int = 256, deep_width: int = 384) -> None:
        super().__init__()
        self.width = width if stride < 32 else deep_width
        if stride < 32:
            self.steps = nn.Sequential(
                nn.Conv2d(channels, expand, 1),
                nn.ReLU6(inplace=True),
                nn.Conv2d(expand, expand, 3, 2, 1, groups=expand),
                nn.ReLU6(inplace=True),
                nn.Conv2d(expand, width, 1),
                nn.ReLU6(inplace=True),
            )
        else:
            self.steps = nn.Sequential(nn.Conv2d(channels, deep_width, 1), nn.ReLU6(inplace=True))

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) to pooled (B, 2 * width) float32."""
        return pool(self.steps(features))
