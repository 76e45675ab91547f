import pytest
import torch
import torch.nn.functional as F

from engine.clip.stages import pool
from engine.exits.modules import HEAD, Exit, ExitModules, Gate, exit_distribution, first_exit, leaving
from engine.exits.text_bank import STATISTICS

TRUNK = "tf_efficientnet_lite0"


def test_exit_distribution_by_hand() -> None:
    q = exit_distribution(torch.tensor([[0.5, 0.2], [0.0, 0.0], [1.0, 0.7]]))
    assert q.tolist() == [pytest.approx([0.5, 0.1, 0.4]), pytest.approx([0, 0, 1]), pytest.approx([1, 0, 0])]


def test_a_photo_leaves_at_the_first_gate_that_is_sure_enough() -> None:
    gates = torch.tensor([[0.1, 0.5, 0.9], [0.2, 0.3, 0.49], [0.5, 0.0, 0.0]])
    assert first_exit(gates).tolist() == [1, 3, 0]


def test_a_higher_price_never_makes_a_photo_stay_longer() -> None:
    leanings = torch.linspace(-20, 20, 9)
    probabilities = leaving(leanings, torch.linspace(-6, 6, 25))
    assert probabilities.shape == (9, 25)
    assert (probabilities.diff(dim=1) >= 0).all()
    assert (probabilities.diff(dim=0) >= 0).all()


def test_a_gate_sees_the_embedding_the_features_and_the_bank() -> None:
    torch.manual_seed(0)
    gate = Gate(3 + 4).eval()
    torch.nn.init.normal_(gate.out.weight)
    parts = [torch.randn(2, n) for n in (3, 4, STATISTICS)]
    before = gate(*parts)
    assert before.shape == (2,)
    for place in range(3):
        others = [part + torch.randn_like(part) * (at == place) for at, part in enumerate(parts)]
        assert not torch.allclose(gate(*others), before)


def test_a_gate_that_was_not_trained_leans_nowhere() -> None:
    assert Gate(7).eval()(torch.randn(2, 3), torch.randn(2, 4), torch.randn(2, STATISTICS)).tolist() == [0, 0]


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
