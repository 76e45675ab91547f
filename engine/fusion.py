"""Convolution, frozen batch norm and ReLU6 as one bfloat16 operation, for inference on CPU.

Stage by stage a convolutional trunk on CPU waits for memory, not for arithmetic: folding the norm into the weights and
clamping inside the convolution (a oneDNN post-op) reads and writes each feature map once instead of three times.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights


def conv_norm_pairs(module: nn.Module) -> list[tuple[nn.Module, str, str]]:
    """(parent, convolution's name, norm's name) for each convolution that a batch norm follows, in order."""
    found = []
    for parent in module.modules():
        children = list(parent.named_children())
        for (conv_name, conv), (norm_name, norm) in pairwise(children):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                found.append((parent, conv_name, norm_name))
    return found


def fold_batch_norms(module: nn.Module) -> None:
    """Fold, in place, each batch norm into the convolution before it; its activation stays where the norm was."""
    for parent, conv_name, norm_name in conv_norm_pairs(module):
        conv, norm = getattr(parent, conv_name), getattr(parent, norm_name)
        weight, bias = fuse_conv_bn_weights(
            conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
        conv.weight, conv.bias = nn.Parameter(weight.detach()), nn.Parameter(bias.detach())
        setattr(parent, norm_name, getattr(norm, "act", nn.Identity()))


def same_sides(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """Padding before and after a side under TensorFlow's "same" rule (the odd one goes after)."""
    total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
    return total // 2, total - total // 2


class FusedConv2d(nn.Module):
    """A convolution with bias and, where asked, ReLU6; bfloat16 in and out, inference only."""

    def __init__(self, conv: nn.Conv2d, clamp: bool) -> None:
        super().__init__()
        layout = {"memory_format": torch.channels_last} if conv.groups == 1 else {}
        self.register_buffer("weight", conv.weight.detach().to(torch.bfloat16).contiguous(**layout))
        self.register_buffer("bias", None if conv.bias is None else conv.bias.detach().to(torch.bfloat16))
        self.kernel, self.stride, self.groups = int(conv.kernel_size[0]), int(conv.stride[0]), conv.groups
        self.padding = None if isinstance(conv, Conv2dSame) else int(conv.padding[0])
        self.activation = ("hardtanh", [0.0, 6.0]) if clamp else ("none", [])

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, c, h, w), channels last."""
        padding = self.padding
        if padding is None:
            x = F.pad(
                x,
                (
                    *same_sides(x.shape[3], self.kernel, self.stride),
                    *same_sides(x.shape[2], self.kernel, self.stride),
                ),
            )
            padding = 0
        name, limits = self.activation
        sides, steps = [padding, padding], [self.stride, self.stride]
        return torch.ops.mkldnn._convolution_pointwise(
            x, self.weight, self.bias, sides, steps, [1, 1], self.groups, name, limits, ""
        )


def fuse_for_inference(module: nn.Module) -> None:
    """Fold and fuse, in place, every convolution below a module that has square kernels and no dilation."""
    fold_batch_norms(module)
    for parent in list(module.modules()):
        children = list(parent.named_children())
        for (name, conv), (after_name, after) in zip(children, [*children[1:], ("", None)], strict=False):
            if isinstance(conv, nn.Conv2d):
                clamp = isinstance(after, nn.ReLU6)
                setattr(parent, name, FusedConv2d(conv, clamp))
                if clamp:
                    setattr(parent, after_name, nn.Identity())
