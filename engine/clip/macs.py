"""Multiply-accumulates (MACs), counted from the operations that ran."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


def _convolution(output: Tensor, features: Tensor, weight: Tensor, *_: object) -> int:
    return output.numel() * weight[0].numel()


def _linear(output: Tensor, features: Tensor, *_: object) -> int:
    return output.numel() * features.shape[-1]


def _added_product(output: Tensor, added: Tensor, left: Tensor, *_: object) -> int:
    return output.numel() * left.shape[-1]


def _attention(output: Tensor, query: Tensor, key: Tensor, *_: object) -> int:
    """Likeness of each query to each key, and the sum of the values that follows."""
    return (query.numel() + output.numel()) * key.shape[-2]


def _multi_head(output: tuple[Tensor, Tensor | None], query: Tensor, key: Tensor, value: Tensor, *rest: Any) -> int:
    """Projections in and out, and the two products between positions; (L, B, C) tensors."""
    wide, out_projection = query.shape[-1], rest[8]  # in the order of torch's own signature
    inward = wide * (query.numel() + key.numel() + value.numel())
    outward = output[0].shape[:-1].numel() * out_projection.numel()
    return inward + 2 * query.numel() * key.shape[0] + outward


COUNTED: dict[Any, Callable[..., int]] = {
    F.conv2d: _convolution,
    F.linear: _linear,
    torch.matmul: _linear,
    Tensor.matmul: _linear,
    Tensor.__matmul__: _linear,
    torch.bmm: _linear,
    Tensor.bmm: _linear,
    torch.baddbmm: _added_product,
    F.scaled_dot_product_attention: _attention,
    F.multi_head_attention_forward: _multi_head,
}


class _Counter(TorchFunctionMode):
    """Sees every operation on tensors. While it looks, torch takes no path that fuses several of them into one."""

    def __init__(self) -> None:
        super().__init__()
        self.macs = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        if func in COUNTED:
            self.macs += COUNTED[func](output, *args)
        return output


def count_macs(run: Callable[[], object]) -> int:
    """MACs of the convolutions, linear layers, products and attentions while `run` runs.

    Norms, activations and poolings are left out, as is usual. Counted from shapes, so any device and dtype will do.
    """
    counter = _Counter()
    with torch.no_grad(), counter:
        run()
    return counter.macs
