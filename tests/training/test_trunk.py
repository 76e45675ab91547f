import copy

import torch
from torch import nn

from engine.clip.fuse import fold_batch_norms
from engine.training.trunk import unfold_batch_norms


def test_unfolding_gives_the_folded_network_back_also_in_float16() -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 6, 3, bias=False), nn.BatchNorm2d(6, eps=1e-3), nn.ReLU6(), nn.Conv2d(6, 2, 1))
    layers.get_buffer("1.running_mean").normal_()
    layers.get_buffer("1.running_var").uniform_(0.5, 2)
    layers.eval().requires_grad_(False)
    x = torch.randn(2, 3, 9, 9)
    folded = copy.deepcopy(layers)
    fold_batch_norms(folded)
    with torch.no_grad():
        folded.get_parameter("0.weight").add_(0.1)  # training happened
    unfold_batch_norms(folded, layers)
    assert torch.allclose(layers(x), folded(x), atol=1e-5)
    stored = layers.half().float()
    assert (stored(x) - folded(x)).norm() / folded(x).norm() < 2e-3
