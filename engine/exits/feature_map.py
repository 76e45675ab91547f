"""What a photo left a pass with, so that it can be run on from there: in memory, and as bytes to keep."""

from dataclasses import dataclass

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

STATE = "state"


@dataclass(frozen=True)
class FeatureMap:
    """One photo at one exit: what the tower passes along. What readouts further on need besides is its embedding."""

    state: Tensor  # (C, H, W) or (N, W), in the tower's own dtype

    def pack(self) -> bytes:
        """The map as a safetensors file."""
        return save({STATE: self.state.contiguous()})

    @classmethod
    def unpack(cls, data: bytes, shape: tuple[int, ...] | None) -> "FeatureMap | None":
        """A map that was packed, or None where it is damaged or not of this shape: the photo is then run again."""
        try:
            tensors = load(data)
        except (SafetensorError, ValueError, KeyError):
            return None
        state = tensors.get(STATE)
        return cls(state) if len(tensors) == 1 and state is not None and state.shape == shape else None
