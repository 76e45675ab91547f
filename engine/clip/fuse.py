"""Convolution, frozen batch norm and ReLU6 as one operation, for inference on CPU.

Stage by stage a convolutional trunk on CPU waits for memory, not for arithmetic: folding the norm into the weights and
clamping inside the convolution (a oneDNN post-op) reads and writes each feature map once instead of three times.
"""

from collections.abc import Callable
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


CLAMPED: tuple[str, list[float]] = ("hardtanh", [0.0, 6.0])
PLAIN: tuple[str, list[float]] = ("none", [])


class FusedConv2d(nn.Module):
    """A convolution with bias and, where asked, ReLU6; one type of numbers in and out, inference only.

    TensorFlow's "same" rule pads an even side by one more after it than before it, which the operation cannot, and
    padding by hand copies the largest feature maps. A kernel with a row and a column of zeros before it can be padded
    alike on both sides.
    """

    def __init__(self, conv: nn.Conv2d, clamp: bool, dtype: torch.dtype) -> None:
        super().__init__()
        layout = {"memory_format": torch.channels_last} if conv.groups == 1 else {}
        self.kernel, self.stride, self.groups = int(conv.kernel_size[0]), int(conv.stride[0]), conv.groups
        self.padding = None if isinstance(conv, Conv2dSame) else int(conv.padding[0])
        weight = conv.weight.detach().to(dtype)
        self.register_buffer("weight", weight.contiguous(**layout))
        self.register_buffer("wider", F.pad(weight, (1, 0, 1, 0)).contiguous(**layout) if self._halves else None)
        self.register_buffer("bias", None if conv.bias is None else conv.bias.detach().to(dtype))
        self.activation = CLAMPED if clamp else PLAIN

    @property
    def _halves(self) -> bool:
        """Whether this is one of those that halve the sides under TensorFlow's rule."""
        return self.padding is None and self.stride == 2 and self.kernel % 2 == 1

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, c, h, w), channels last."""
        weight, padding = self.weight, self.padding
        if padding is None and self._halves and x.shape[2] % 2 == x.shape[3] % 2:
            weight, padding = (self.weight if x.shape[2] % 2 else self.wider), self.kernel // 2
        if padding is None:
            rows, columns = (same_sides(side, self.kernel, self.stride) for side in x.shape[2:])
            x, padding = F.pad(x, (*columns, *rows)), 0
        name, limits = self.activation
        sides, steps = [padding, padding], [self.stride, self.stride]
        return torch.ops.mkldnn._convolution_pointwise(
            x, weight, self.bias, sides, steps, [1, 1], self.groups, name, limits, ""
        )


class FusedPointwise(nn.Module):
    """A 1x1 convolution with bias and, where asked, ReLU6, as a product of matrices; inference only.

    Its weights are laid out once for the product. A convolution lays them out anew at each call, which is half of its
    time for a few photos or a small input.
    """

    def __init__(self, conv: nn.Conv2d, clamp: bool, dtype: torch.dtype) -> None:
        super().__init__()
        weight = conv.weight.detach()[:, :, 0, 0].to(dtype).contiguous()
        self.laid_out = torch.ops.mkldnn._reorder_linear_weight(weight, None)
        self.bias = None if conv.bias is None else conv.bias.detach().to(dtype)
        self.activation = CLAMPED if clamp else PLAIN

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, c, H, W), channels last."""
        rows = x.permute(0, 2, 3, 1)  # (B, H, W, C)
        name, limits = self.activation
        found = torch.ops.mkldnn._linear_pointwise(
            rows.reshape(-1, rows.shape[3]), self.laid_out, self.bias, name, limits, ""
        )
        return found.view(*rows.shape[:3], -1).permute(0, 3, 1, 2)


def can_fuse(dtype: torch.dtype) -> bool:
    """Whether this build of torch and this CPU have operations to fuse stages with.

    Args: dtype: float32, or bfloat16, which takes AVX-512 as a rule.
    """
    if dtype == torch.float32:
        return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    found = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return found is not None and bool(found())


def products_with(rows: Tensor) -> Callable[[Tensor], Tensor]:
    """Vectors (B, D) to their inner products with rows (N, D): (B, N), inference only.

    On a CPU the rows are laid out once for that, a second copy of them: a product that lays them out anew at each call
    takes half as long again for a batch of photos.
    """
    if rows.device.type != "cpu" or not len(rows) or not can_fuse(torch.float32):
        return lambda vectors: vectors @ rows.T
    laid_out = torch.ops.mkldnn._reorder_linear_weight(rows, None)
    name, limits = PLAIN
    return lambda vectors: torch.ops.mkldnn._linear_pointwise(vectors, laid_out, None, name, limits, "")


def fuse_for_inference(module: nn.Module, dtype: torch.dtype) -> None:
    """Fold and fuse, in place, every convolution below a module that has square kernels and no dilation.

    Raises: RuntimeError where `can_fuse` says no.
    """
    fold_batch_norms(module)
    for parent in list(module.modules()):
        children = list(parent.named_children())
        for (name, conv), (after_name, after) in zip(children, [*children[1:], ("", None)], strict=False):
            if isinstance(conv, nn.Conv2d):
                clamp = isinstance(after, nn.ReLU6)
                is_pointwise = conv.kernel_size == (1, 1) and conv.stride == (1, 1) and conv.groups == 1
                kind = FusedPointwise if is_pointwise else FusedConv2d
                setattr(parent, name, kind(conv, clamp, dtype))
                if clamp:
                    setattr(parent, after_name, nn.Identity())
