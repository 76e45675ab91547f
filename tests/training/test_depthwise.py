import pytest
import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import nn

from engine.training.depthwise import DepthwiseConv2d, speed_up_depthwise


@pytest.mark.parametrize("kind", [nn.Conv2d, Conv2dSame])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
@pytest.mark.parametrize("side", [7, 8])
def test_gradients_are_the_librarys(kind: type[nn.Conv2d], kernel: int, stride: int, side: int) -> None:
    torch.manual_seed(0)
    padding = kernel // 2 if kind is nn.Conv2d else 0
    conv = kind(6, 6, kernel, stride, padding=padding, groups=6).double()
    quick = DepthwiseConv2d(conv)
    x = torch.randn(2, 6, side, side, dtype=torch.double, requires_grad=True)
    expected, found = conv(x), quick(x)
    assert torch.allclose(found, expected)
    grad = torch.randn_like(expected)
    assert conv.bias is not None
    parts = (x, conv.weight, conv.bias)
    for ours, theirs in zip(
        torch.autograd.grad(found, parts, grad), torch.autograd.grad(expected, parts, grad), strict=True
    ):
        assert torch.allclose(ours, theirs)


def test_only_depthwise_convolutions_are_replaced_and_they_keep_their_weights() -> None:
    net = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 4, 3, groups=2)))
    names, weight = set(net.state_dict()), net.get_parameter("1.0.weight")
    speed_up_depthwise(net)
    assert [type(net.get_submodule(name)).__name__ for name in ("0", "1.0", "1.1")] == [
        "Conv2d",
        "DepthwiseConv2d",
        "Conv2d",
    ]
    assert net.get_parameter("1.0.weight") is weight
    assert set(net.state_dict()) == names
