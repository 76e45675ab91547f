"""Random views of a batch of photos."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST_CROP = 0.4
JITTER = 0.25


def _crop_box(size: int, generator: torch.Generator) -> tuple[int, int, int, int]:
    """(top, left, height, width) of a random crop with an area of at least SMALLEST_CROP and a mild aspect."""
    area, aspect, top, left = torch.rand(4, generator=generator).tolist()
    area = SMALLEST_CROP + (1 - SMALLEST_CROP) * area
    aspect = math.exp((aspect * 2 - 1) * math.log(4 / 3))
    height = min(size, round(size * math.sqrt(area / aspect)))
    width = min(size, round(size * math.sqrt(area * aspect)))
    return round(top * (size - height)), round(left * (size - width)), height, width


def random_views(pixels: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Crops, flips and light colour jitter.

    Args:
        pixels: (B, 3, S, S) uint8.
        size: side of the views in pixels.
    Returns: (B, 3, size, size) float32 in [0, 1], channels last.
    """
    views = torch.empty(len(pixels), 3, size, size, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    for view, photo in zip(views, pixels, strict=True):
        top, left, height, width = _crop_box(photo.shape[-1], generator)
        crop = photo[None, :, top : top + height, left : left + width].contiguous(memory_format=torch.channels_last)
        view.copy_(F.interpolate(crop, (size, size), mode="bicubic", antialias=True)[0])
    flipped = torch.rand(len(views), 1, 1, 1, generator=generator) < 0.5
    colours = torch.where(flipped, views.flip(3), views).float() / 255
    brightness, contrast, saturation = (
        1 + JITTER * (2 * torch.rand(len(views), 1, 1, 1, generator=generator) - 1) for _ in range(3)
    )
    grey = colours.mean(1, keepdim=True)
    colours = grey + saturation * (colours - grey)
    level = grey.mean((2, 3), keepdim=True)
    colours = (level + contrast * (colours - level)) * brightness
    return colours.clamp(0, 1).contiguous(memory_format=torch.channels_last)


def resized(views: Tensor, size: int) -> Tensor:
    """(B, 3, S, S) in [0, 1] at another size, channels last."""
    if views.shape[-1] == size:
        return views
    views = F.interpolate(views, (size, size), mode="bicubic", antialias=True).clamp(0, 1)
    return views.contiguous(memory_format=torch.channels_last)
