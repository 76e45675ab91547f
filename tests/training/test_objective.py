import math

import pytest
import torch

from engine.training.objective import caption_distortion, contrastive, distil, match_targets, rate_distortion


def test_hard_targets_are_the_texts_own_images() -> None:
    to_texts, to_images = match_targets(torch.tensor([0, 0, 1]), torch.zeros(2, 3), softness=0.0)
    assert to_texts.tolist() == [[0.5, 0.5, 0], [0, 0, 1]]
    assert to_images.tolist() == [[1, 1, 0], [0, 0, 1]]


def test_soft_targets_share_with_what_means_the_same() -> None:
    meaning = torch.tensor([[0.9, 0.9], [0.0, 0.9]])
    to_texts, to_images = match_targets(torch.tensor([0, 1]), meaning, softness=0.4)
    assert to_texts[0].tolist() == pytest.approx([0.8, 0.2])  # the second text means the first image as much
    assert to_images[:, 1].tolist() == pytest.approx([0.2, 0.8])
    for sums in (to_texts.sum(1), to_images.sum(0)):
        assert torch.allclose(sums, torch.ones(2))


def test_contrastive_by_hand() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 2.0]])
    eye = torch.eye(2)
    assert contrastive(logits, (eye, eye)).item() == pytest.approx(math.log(1 + math.exp(-2)))


def test_distilling_is_least_where_the_exit_agrees_and_moves_no_teacher() -> None:
    teacher = torch.randn(3, 4, requires_grad=True)
    same, other = teacher.detach().clone(), torch.randn(3, 4)
    assert distil(same, teacher) < distil(other, teacher)
    exit = other.requires_grad_()
    distil(exit, teacher).backward()
    assert teacher.grad is None
    assert exit.grad is not None


def test_distortion_is_what_the_captions_lose() -> None:
    right, wrong = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    vectors = torch.stack([torch.stack([wrong, right]), torch.stack([wrong, wrong])])  # (2 photos, 2 exits, 2)
    texts, owner = torch.stack([right, wrong]), torch.tensor([0, 1])
    found = caption_distortion(vectors, texts, owner, logit_scale=3.0)
    # Photo 0: its caption scores 0 at exit 1 and 3 at full depth; the one other scores 0 at either depth.
    expected = math.log(1 + 1) - math.log(1 + math.exp(-3))
    assert found[0].tolist() == pytest.approx([expected, 0])
    # Photo 1 looks the same at both exits, but among photos that left at exit 1 its caption finds photo 0 as good.
    assert found[1].tolist() == pytest.approx([(math.log(2) - math.log(1 + math.exp(-3))) / 2, 0])


def test_rate_distortion_by_hand() -> None:
    gates, distortion = torch.tensor([[0.5]]), torch.tensor([[1.0, 0.0]])
    loss = rate_distortion(gates, distortion, torch.tensor([0.4, 1.1]), torch.tensor([2.0]))
    assert loss.item() == pytest.approx(0.5 * 1.0 + 2.0 * (0.5 * 0.4 + 0.5 * 1.1))


def test_the_best_gate_opens_where_compute_costs_more_than_meaning() -> None:
    distortion, share = torch.tensor([[0.3, 0.0]]), torch.tensor([0.5, 1.0])
    for price, better in ((0.1, 0.0), (2.0, 1.0)):  # leaving saves 0.5 * price and costs 0.3
        losses = {
            gate: rate_distortion(torch.tensor([[gate]]), distortion, share, torch.tensor([price])).item()
            for gate in (0.0, 1.0)
        }
        assert min(losses, key=lambda gate: losses[gate]) == better
