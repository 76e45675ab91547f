import copy
import os
import subprocess
import sys

import pytest
import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import nn

from engine.clip.fuse import (
    FusedConv2d,
    FusedPointwise,
    can_fuse,
    fold_batch_norms,
    fuse_for_inference,
    products_with,
    same_sides,
)

fused = pytest.mark.skipif(not can_fuse(torch.bfloat16), reason="this CPU or build of torch cannot")


def stack() -> nn.Sequential:
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU6(),
        Conv2dSame(8, 8, 5, 2, groups=8, bias=False),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 4, 1),
        nn.ReLU6(),
    )
    for norm in layers:
        if isinstance(norm, nn.BatchNorm2d):
            norm.get_buffer("running_mean").normal_()
            norm.get_buffer("running_var").uniform_(0.5, 2)
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
    return layers.eval().requires_grad_(False)


def test_folding_changes_nothing_but_rounding() -> None:
    layers, x = stack(), torch.randn(2, 3, 17, 17)
    folded = copy.deepcopy(layers)
    fold_batch_norms(folded)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    assert torch.allclose(folded(x), layers(x), atol=1e-5)


@pytest.mark.parametrize(("dtype", "apart"), [(torch.bfloat16, 0.03), (torch.float32, 1e-5)])
@pytest.mark.parametrize("side", [15, 16, 33])
def test_fused_layers_agree_with_the_plain_ones_to_rounding(side: int, dtype: torch.dtype, apart: float) -> None:
    if not can_fuse(dtype):
        pytest.skip("this CPU or build of torch cannot")
    layers = stack()
    x = torch.randn(2, 3, side, side)
    expected = layers(x)
    fuse_for_inference(layers, dtype)
    found = layers(x.to(dtype).contiguous(memory_format=torch.channels_last)).float()
    assert found.shape == expected.shape
    assert (found - expected).norm() / expected.norm() < apart


@fused
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("sides", [(16, 16), (15, 15), (16, 15), (9, 12)])
def test_halving_needs_no_padding_by_hand(kernel: int, sides: tuple[int, int]) -> None:
    torch.manual_seed(0)
    conv = Conv2dSame(6, 6, kernel, 2, groups=6)
    x = torch.randn(2, 6, *sides).bfloat16().contiguous(memory_format=torch.channels_last)
    found = FusedConv2d(conv, clamp=False, dtype=torch.bfloat16)(x)
    expected = conv.bfloat16()(x)
    assert found.shape == expected.shape
    assert torch.allclose(found.float(), expected.float(), atol=0.03)


@fused
def test_a_product_of_matrices_is_a_pointwise_convolution() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(8, 5, 1)
    x = torch.randn(3, 8, 7, 4)
    found = FusedPointwise(conv, clamp=True, dtype=torch.bfloat16)(
        x.bfloat16().contiguous(memory_format=torch.channels_last)
    )
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(found.float(), conv(x).clamp(0, 6), atol=0.05)


@pytest.mark.parametrize("rows", [0, 1, 70])
def test_products_with_rows_that_are_laid_out_once_are_those_of_plain_rows(rows: int) -> None:
    torch.manual_seed(0)
    matrix, vectors = torch.randn(rows, 16), torch.randn(5, 16)
    products = products_with(matrix)
    for some in (vectors, vectors[:1], vectors[:0]):
        assert products(some).shape == (len(some), rows)
        assert torch.allclose(products(some), some @ matrix.T, atol=1e-5)


@pytest.mark.parametrize(("length", "kernel", "stride"), [(15, 3, 2), (16, 3, 2), (16, 5, 2), (7, 5, 1)])
def test_same_padding_gives_the_ceiling_of_length_over_stride(length: int, kernel: int, stride: int) -> None:
    before, after = same_sides(length, kernel, stride)
    assert 0 <= after - before <= 1
    assert (length + before + after - kernel) // stride + 1 == -(-length // stride)


TRY = """
import torch
from tests import tiny_models
model, x = tiny_models.backbone("efficientnet"), torch.randn(2, 3, 64, 64)
def embed(tower, state):
    for stage in tower.stages:
        state = stage.run(state)
    return tower.finish(state)
fused = model.fused_tower(torch.float32)
with torch.no_grad():
    assert fused is None or torch.allclose(embed(fused, x), embed(model.tower, x), atol=1e-4)
print("quick" if model.quick_tower() else "plain")
"""


@pytest.mark.slow
def test_a_cpu_without_bfloat16_has_the_float32_towers_alone() -> None:
    said = {}
    for isa in ("AVX2", "DEFAULT"):
        environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": isa}
        done = subprocess.run([sys.executable, "-c", TRY], env=environment, capture_output=True, text=True, check=True)
        said[isa] = done.stdout.strip()
    assert said == {"AVX2": "plain", "DEFAULT": "quick" if can_fuse(torch.bfloat16) else "plain"}
