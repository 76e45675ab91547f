from types import SimpleNamespace
from typing import Any

import timm
import torch
from torch import nn

from engine.clip.fuse import fold_batch_norms
from engine.training.pretrained import TRUNK
from engine.training.recipe import EXITS, Student, exits_loss


def test_all_that_is_trained_has_the_fast_backward_pass() -> None:
    folded: Any = timm.create_model(TRUNK, pretrained=False)
    fold_batch_norms(folded)
    texts: Any = SimpleNamespace(layers=nn.ModuleList(), proj=nn.Linear(2, 2))
    student = Student(folded, texts)
    slow = [m for m in student.modules() if isinstance(m, nn.Conv2d) and m.groups == m.in_channels > 1]
    assert slow == [], "a depthwise convolution of the library, in the blocks or in a branch, takes minutes a step"
    assert len(student.branches) == len(EXITS)


def test_early_exits_learn_from_captions_and_from_the_last_exit() -> None:
    torch.manual_seed(0)
    vectors = [nn.functional.normalize(torch.randn(4, 8), dim=-1).requires_grad_() for _ in range(3)]
    texts, eye = nn.functional.normalize(torch.randn(4, 8), dim=-1), torch.eye(4)
    last_alone = exits_loss([vectors[-1]], texts, (eye, eye), torch.tensor(10.0))
    loss = exits_loss(vectors, texts, (eye, eye), torch.tensor(10.0))
    assert loss > last_alone
    loss.backward()
    assert all(v.grad is not None and v.grad.abs().sum() > 0 for v in vectors)
