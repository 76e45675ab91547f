"""Where the encoder computes, and how pictures go there and results come back."""

import os
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
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


def has_native_bfloat16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16: CUDA from compute capability 8 on, CPUs with AVX-512 BF16 or AMX."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    if device.type != "cpu":
        return False
    checks = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(check is not None and check() for check in checks)


def cpu_dtype() -> torch.dtype:
    """What training computes in: bfloat16 where the CPU has it, else float32, which is many times faster there."""
    return torch.bfloat16 if has_native_bfloat16(CPU) else torch.float32


def cpu_autocast() -> torch.autocast:
    """Autocast to `cpu_dtype`."""
    return torch.autocast("cpu", torch.bfloat16, enabled=has_native_bfloat16(CPU))


def send(photos: Tensor, device: torch.device) -> Tensor:
    """Bytes to a device, without waiting for them to arrive: a quarter of what floats would be."""
    if device.type == "cuda" and photos.device == CPU:
        return photos.pin_memory().to(device, non_blocking=True)
    return photos.to(device)


def send_ahead(pixels: np.ndarray, device: torch.device) -> Tensor:
    """Bytes to a GPU that is at work on something else: beside that work, on a stream of its own.

    Only the thread that calls it waits for them to arrive.
    """
    beside = torch.cuda.Stream(device)
    with torch.cuda.stream(beside):
        sent = torch.from_numpy(np.ascontiguousarray(pixels)).pin_memory().to(device, non_blocking=True)
    sent.record_stream(torch.cuda.default_stream(device))  # where it is going to be read: its memory is not lent before
    beside.synchronize()
    return sent


def taken(pixels: np.ndarray | Tensor, rows: Sequence[int]) -> np.ndarray | Tensor:
    """Some photos of a batch, wherever it is."""
    if len(rows) == len(pixels):
        return pixels
    if isinstance(pixels, np.ndarray):
        return pixels[rows]
    return pixels.index_select(0, torch.tensor(rows).to(pixels.device, non_blocking=True))


def at_size(photos: Tensor, size: int) -> Tensor:
    """Photos (B, 3, S, S) uint8 at another input size in px.

    The CPU works on the bytes themselves; CUDA has that for floats alone, and may differ by one level of 255.
    """
    if size == photos.shape[-1]:
        return photos
    on_cpu = photos.device == CPU
    found = F.interpolate(photos if on_cpu else photos.float(), (size, size), mode="bicubic", antialias=True)
    return found if on_cpu else found.round().clamp(0, 255)


def bring(tensors: Sequence[Tensor]) -> list[Tensor]:
    """(B, n) tensors back from their device in one transfer, and so with one wait; those of the CPU as they are.

    They come back as float32. Whole numbers come back exactly up to 2 ** 24.
    """
    if all(tensor.device == CPU for tensor in tensors):
        return list(tensors)
    together = torch.cat([tensor.float() for tensor in tensors], 1).cpu()
    return list(together.split([tensor.shape[1] for tensor in tensors], 1))


def bring_later(tensor: Tensor) -> Tensor:
    """A tensor on its way back from its device; it may be looked at after `settle`."""
    if tensor.device.type != "cuda":
        return tensor.cpu()
    return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor, non_blocking=True)


def settle(device: torch.device) -> None:
    """Wait until all that is on its way has arrived."""
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()
