import pytest
import torch
import torch.nn.functional as F

from engine.clip.fuse import can_fuse
from engine.training import rival_model


@pytest.mark.skipif(not can_fuse(torch.bfloat16), reason="no fused bfloat16 convolutions here")
def test_a_finished_tower_says_what_the_student_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        rival_model, "load_trunk", lambda trunk, name: None
    )  # its weights are not installed with the tests
    torch.manual_seed(0)
    lower, student = rival_model.untrained_parts(16)
    torch.nn.init.normal_(student.head.bias)
    views = torch.rand(4, 3, 64, 64)
    with torch.no_grad():
        said = student.eval()(lower(views).float())
        tower = rival_model.joined_tower(lower, student, 16)
        found = F.normalize(tower((views - 0.5) / 0.5), dim=-1)
    assert (F.cosine_similarity(said, found) > 0.99).all()
    assert not any(p.requires_grad for p in tower.parameters())
