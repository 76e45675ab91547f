"""Names of things: what an ImageNet classifier sees in any photo, taught as likeness to the names' texts."""

from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from engine.fusion import fuse_for_inference
from engine.training.objective import cross_entropy


class Classifier(nn.Module):
    """The untouched pretrained trunk with its own classifier, fused; it reads what the frozen stages give.

    Training on a few thousand captions makes a trunk forget what captions never name. The classifier remembers, also
    of the captioned photos, and it judges the very view that is trained on (a consistent teacher, Beyer 2022).
    """

    def __init__(self, name: str, weights: Path, frozen_stages: int) -> None:
        """Args: timm's name of an EfficientNet; its weights, tensors in timm's order; how many stages stay frozen."""
        super().__init__()
        trunk: Any = timm.create_model(name)
        stored = torch.load(weights, weights_only=True)
        trunk.load_state_dict(dict(zip(trunk.state_dict(), stored.values(), strict=True)))
        trunk = trunk.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        classifier = trunk.classifier
        fuse_for_inference(trunk)
        self.below = nn.Sequential(trunk.conv_stem, trunk.bn1, *trunk.blocks[:frozen_stages])
        self.above = nn.Sequential(*trunk.blocks[frozen_stages:], trunk.conv_head, trunk.bn2)
        self.classifier = classifier.float()

    @torch.no_grad()
    def forward(self, features: Tensor) -> Tensor:
        """Feature maps (B, C, H, W) of the frozen stages to class probabilities (B, 1000)."""
        pooled = torch.cat([self.above(part).float().mean((2, 3)) for part in features.split(32)])
        return self.classifier(pooled).softmax(1)


def common_classes(probabilities: Tensor, many: int) -> Tensor:
    """Numbers of the classes that these photos show most; (B, C) to (many,)."""
    return probabilities.sum(0).topk(many).indices


def naming(logits: Tensor, probabilities: Tensor) -> Tensor:
    """Cross-entropy of image-name logits (B, C) against a classifier's probabilities of the same classes (B, C)."""
    return cross_entropy(logits, probabilities / probabilities.sum(1, keepdim=True))
