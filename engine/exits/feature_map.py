"""A feature map: what the tower passes along of one photo at one exit, as bytes to keep.

A photo is run on from there. What readouts further on need besides is its embedding.
"""

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

STATE = "state"


def pack(state: Tensor) -> bytes:
    """A map, (C, H, W) or (N, W) in the tower's own dtype, as a safetensors file."""
    return save({STATE: state.contiguous()})


def unpack(data: bytes, shape: tuple[int, ...] | None) -> Tensor | None:
    """A map that was packed, or None where it is damaged or not of this shape: the photo is then run again."""
    try:
        tensors = load(data)
    except (SafetensorError, ValueError, KeyError):
        return None
    state = tensors.get(STATE)
    return state if len(tensors) == 1 and state is not None and state.shape == shape else None
