"""What a photo left the encoder with, so that it can be run on from there: in memory, and as bytes to keep."""

from dataclasses import dataclass

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

STATE = "state"


@dataclass(frozen=True)
class FeatureMap:
    """One photo at one exit: what the tower passes along, and what readouts further on need of the exits before."""

    state: Tensor  # (C, H, W) or (N, W), in the tower's own dtype
    pooled: dict[int, Tensor]  # 0-based exit of the same pass -> (F,)

    def pack(self) -> bytes:
        """The map as a safetensors file."""
        tensors = {STATE: self.state, **{str(k): features for k, features in self.pooled.items()}}
        return save({name: tensor.contiguous() for name, tensor in tensors.items()})

    @classmethod
    def unpack(cls, data: bytes, shape: tuple[int, ...] | None, pooled: dict[int, int]) -> "FeatureMap | None":
        """A map that was packed, or None where it is damaged or not of these shapes: the photo is then run again.

        Args: shape: of the state.  pooled: width of the features that each exit (0-based) must have left.
        """
        try:
            tensors = load(data)
        except (SafetensorError, ValueError, KeyError):
            return None
        state = tensors.pop(STATE, None)
        if state is None or state.shape != shape:
            return None
        if {name: tuple(features.shape) for name, features in tensors.items()} != {
            str(k): (width,) for k, width in pooled.items()
        }:
            return None
        return cls(state, {int(name): features for name, features in tensors.items()})
