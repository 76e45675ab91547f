from pathlib import Path

import pytest
import timm
import torch

from engine.training.naming import Classifier, common_classes, naming

TRUNK = "tf_efficientnet_lite0"


def test_the_classifier_is_the_untouched_trunk_and_reads_what_the_frozen_stages_give(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = timm.create_model(TRUNK).eval()
    for name, buffer in whole.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    torch.save(whole.state_dict(), tmp_path / "trunk.pth")
    classifier = Classifier(TRUNK, tmp_path / "trunk.pth", frozen_stages=3)
    pixels = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        expected = whole(pixels).softmax(1)
        found = classifier(classifier.below(pixels.bfloat16().contiguous(memory_format=torch.channels_last)))
    assert torch.allclose(found, expected, atol=2e-3)
    assert found.sum(1).tolist() == pytest.approx([1, 1])


def test_common_classes_are_those_that_the_photos_show() -> None:
    probabilities = torch.tensor([[0.7, 0.1, 0.2, 0.0], [0.0, 0.1, 0.9, 0.0]])
    assert sorted(common_classes(probabilities, 2).tolist()) == [0, 2]


def test_naming_is_least_where_likeness_to_the_names_follows_the_classifier() -> None:
    seen = torch.tensor([[0.4, 0.1], [0.0, 0.2]])  # two of many classes: what is left is scaled up
    right = torch.tensor([[0.8, 0.2], [1e-9, 1.0]]).log()
    assert naming(right, seen) < naming(right.flip(1), seen)
    entropy = -(0.8 * torch.tensor(0.8).log() + 0.2 * torch.tensor(0.2).log()) / 2
    assert naming(right, seen).item() == pytest.approx(float(entropy), abs=1e-5)
