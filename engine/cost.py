"""Multiply-accumulates (MACs), counted from the modules that ran."""

from collections.abc import Callable
from math import prod

import torch
from torch import Tensor, nn


def _convolution(module: nn.Conv2d, output: Tensor) -> int:
    return output.numel() * prod(module.kernel_size) * module.in_channels // module.groups


def _linear(module: nn.Linear, output: Tensor) -> int:
    return output.numel() * module.in_features


def _attention(module: nn.MultiheadAttention, query: Tensor, key: Tensor) -> int:
    """Projections in and out, and the two products between positions."""
    length, many = (1, 0) if module.batch_first else (0, 1)
    rows, wide = query.shape[length] * query.shape[many], module.embed_dim
    looked = key.shape[length] * key.shape[many]
    projections = rows * wide * wide * 2 + looked * wide * (module.kdim or wide) * 2
    return projections + 2 * rows * key.shape[length] * wide


def count_macs(modules: nn.Module, run: Callable[[], object]) -> int:
    """MACs of the convolutions, linear layers and attentions below `modules` while `run` runs.

    Norms, activations and poolings are left out, as is usual. Counted from shapes, so any device and dtype will do.
    """
    total = 0

    def hook(module: nn.Module, inputs: tuple[Tensor, ...], kwargs: dict[str, Tensor], output: object) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d) and isinstance(output, Tensor):
            total += _convolution(module, output)
        elif isinstance(module, nn.Linear) and isinstance(output, Tensor):
            total += _linear(module, output)
        elif isinstance(module, nn.MultiheadAttention):
            query = inputs[0] if inputs else kwargs["query"]
            total += _attention(module, query, inputs[1] if len(inputs) > 1 else kwargs.get("key", query))

    handles = [m.register_forward_hook(hook, with_kwargs=True) for m in modules.modules()]
    try:
        with torch.no_grad():
            run()
    finally:
        for handle in handles:
            handle.remove()
    return total


def rate(exit_probs: Tensor, cost_share: Tensor) -> Tensor:
    """Expected share of the full encoder's MACs.

    Args:
        exit_probs: (B, K) probability of leaving at each exit; rows sum to 1.
        cost_share: (K,) cumulative MACs up to each exit over the full encoder's, readouts and gates included.
    Returns: (B,), may exceed 1 where gates were paid for and the image went all the way.
    """
    return exit_probs @ cost_share
