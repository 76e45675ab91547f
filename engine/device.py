"""Where the encoder computes, and how pictures go there and results come back."""

import os
from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
import torch
from torch import Tensor

CPU = torch.device("cpu")


def best_device() -> torch.device:
    """CUDA where there is one, else Apple's GPU, else the CPU.

    On a ZeroGPU Space the main process must not touch CUDA: a GPU is lent only to the function that asks for it, which
    moves the encoder there itself.
    """
    if os.environ.get("SPACES_ZERO_GPU"):
        return CPU
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps") if torch.backends.mps.is_available() else CPU


def send(pixels: np.ndarray, device: torch.device) -> Tensor:
    """Bytes to a device, without waiting for them to arrive: a quarter of what floats would be."""
    photos = torch.from_numpy(np.ascontiguousarray(pixels))
    if device.type == "cuda":
        return photos.pin_memory().to(device, non_blocking=True)
    return photos.to(device)


def bring(tensors: Sequence[Tensor]) -> list[Tensor]:
    """(B, n) tensors back from their device in one transfer, and so with one wait; those of the CPU as they are.

    They come back as float32. Whole numbers come back exactly up to 2 ** 24.
    """
    if all(tensor.device == CPU for tensor in tensors):
        return list(tensors)
    return apart(together(tensors).cpu(), [tensor.shape[1] for tensor in tensors])


def together(tensors: Sequence[Tensor]) -> Tensor:
    """(B, n_1) ... (B, n_m) to (B, sum n) float32."""
    return torch.cat([tensor.float() for tensor in tensors], 1)


def apart(joined: Tensor, widths: Sequence[int]) -> list[Tensor]:
    """What `together` joined."""
    return [joined[:, start:end] for start, end in pairwise(accumulate(widths, initial=0))]


def bring_later(tensor: Tensor) -> Tensor:
    """A tensor on its way back from its device; it may be looked at after `settle`."""
    if tensor.device.type != "cuda":
        return tensor.cpu()
    return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor, non_blocking=True)


def settle(device: torch.device) -> None:
    """Wait until all that is on its way has arrived."""
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()
