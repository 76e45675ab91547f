"""Depthwise convolution with a fast backward pass on CPU.

The library's bfloat16 kernels are fast forward and for 3x3 weight gradients, and slower by one to two orders of
magnitude for 5x5 weight gradients and for the input gradient at stride 2. Both are rewritten here in terms of the
fast ones, exactly: the result differs from the library's by rounding only.
"""

from typing import Any

import torch
import torch.nn.functional as F
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn

from engine.clip.fuse import same_sides


def _window_gradient(x: Tensor, grad: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Weight gradient of an unpadded depthwise convolution, (C, 1, k, k)."""
    steps, none = (stride, stride), (0, 0)
    mask = (False, True, False)
    backward = torch.ops.aten.convolution_backward
    return backward(grad, x, weight, None, steps, none, (1, 1), False, none, x.shape[1], mask)[1]


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return F.conv2d(x, weight, None, stride, 0, 1, x.shape[1])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        stride, kernel = ctx.stride, weight.shape[-1]
        grad = grads[0].contiguous(memory_format=torch.channels_last)  # (B, C, h, w)
        spread = grad
        if stride > 1:  # the gradient of a strided convolution is that of a dense one with zeros in between
            b, c, h, w = grad.shape
            spread = grad.new_zeros(b, c, (h - 1) * stride + 1, (w - 1) * stride + 1)
            spread = spread.contiguous(memory_format=torch.channels_last)
            spread[:, :, ::stride, ::stride] = grad
        grad_x = grad_weight = None
        if ctx.needs_input_grad[0]:
            grad_x = F.conv2d(spread, weight.flip(2, 3), None, 1, kernel - 1, 1, x.shape[1])
            grad_x = F.pad(grad_x, (0, x.shape[3] - grad_x.shape[3], 0, x.shape[2] - grad_x.shape[2]))
        if ctx.needs_input_grad[1]:
            if kernel == 5:  # four overlapping 3x3 windows cover a 5x5 one
                grad_weight = torch.empty_like(weight)
                height, width = spread.shape[2] + 2, spread.shape[3] + 2
                for top in (0, 2):
                    for left in (0, 2):
                        window = x[:, :, top : top + height, left : left + width]
                        window = window.contiguous(memory_format=torch.channels_last)
                        part = _window_gradient(window, spread, weight[:, :, :3, :3], 1)
                        grad_weight[:, :, top : top + 3, left : left + 3] = part
            else:
                grad_weight = _window_gradient(x, grad, weight, stride)
        return grad_x, grad_weight, None


class DepthwiseConv2d(nn.Module):
    """A depthwise `nn.Conv2d` (square kernel, equal strides) with its own parameters and a fast backward pass."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = conv.weight, conv.bias
        self.stride, self.kernel = int(conv.stride[0]), int(conv.kernel_size[0])
        self.padding = None if isinstance(conv, Conv2dSame) else int(conv.padding[0])

    def _sides(self, length: int) -> tuple[int, int]:
        if self.padding is not None:
            return self.padding, self.padding
        return same_sides(length, self.kernel, self.stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, h, w), in the dtype of x."""
        x = F.pad(x, (*self._sides(x.shape[3]), *self._sides(x.shape[2])))
        x = x.contiguous(memory_format=torch.channels_last)
        y = _Depthwise.apply(x, self.weight.to(x.dtype), self.stride)
        return y if self.bias is None else y + self.bias.to(x.dtype)[:, None, None]


def speed_up_depthwise(module: nn.Module) -> None:
    """Replace, in place, every depthwise 3x3 or 5x5 convolution below a module."""
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Conv2d) and child.groups == child.in_channels > 1 and child.kernel_size[0] in (3, 5):
            setattr(module, name, DepthwiseConv2d(child))
        else:
            speed_up_depthwise(child)
