import torch
import torch.nn.functional as F

from engine.clip.stages import pool
from engine.exits.modules import HEAD, Exit, ExitModules

TRUNK = "tf_efficientnet_lite0"


def test_pooling_is_mean_and_max() -> None:
    features = torch.tensor([[[[1.0, 3.0], [0.0, 0.0]]]])
    assert pool(features).tolist() == [[1.0, 3.0]]


def test_a_readout_sees_what_is_there_and_the_embedding_before() -> None:
    modules = ExitModules([Exit("a", 4), Exit("b", 6)], dim=3).eval()
    seen, before = torch.randn(2, 6), F.normalize(torch.randn(2, 3), dim=1)
    found = modules.read(1, seen, before)
    assert torch.allclose(found.norm(dim=1), torch.ones(2))
    assert not torch.allclose(modules.read(1, seen + torch.randn(2, 6), before), found)
    assert not torch.allclose(modules.read(1, seen, before + torch.randn(2, 3)), found)
    assert modules.read(0, seen[:, :4], None).shape == (2, 3)


def test_passes_add_up_until_their_readouts_are_fitted() -> None:
    modules = ExitModules([Exit(HEAD, 8, TRUNK, 32), Exit(HEAD, 8, TRUNK, 48)], dim=3, joined=True).eval()
    own, before = torch.randn(2, 3), F.normalize(torch.randn(2, 3), dim=1)
    seen = torch.cat([own, torch.randn(2, 5)], 1)  # behind the tower's own words come features, for the gate
    assert torch.allclose(modules.read(0, seen, None), F.normalize(own, dim=1))
    for k in (1, 2):
        assert torch.allclose(modules.read(k, seen, before), F.normalize(before + own, dim=1))


def test_a_last_embedding_that_is_not_joined_is_the_models_own() -> None:
    modules = ExitModules([Exit(HEAD, 8, TRUNK, 32)], dim=3).eval()
    own = torch.randn(2, 3)
    assert torch.equal(modules.read(1, own, torch.randn(2, 3)), F.normalize(own, dim=1))
    assert not any(name.startswith("last") for name in modules.state_dict())


def test_exits_along_the_depth_bring_no_tower() -> None:
    assert not any("tower" in name for name in ExitModules([Exit("a", 20)], 16).state_dict())
    assert ExitModules([Exit("a", 20)], 16).describe() == [{"stage": "a", "seen": 20, "tower": "", "size": 0}]
