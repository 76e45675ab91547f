import pytest
import torch

from engine.exits.budget import rate


def test_rate_is_the_expected_share() -> None:
    probs = torch.tensor([[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]])
    assert rate(probs, torch.tensor([0.4, 0.8, 1.1])).tolist() == pytest.approx([0.675, 1.1])
