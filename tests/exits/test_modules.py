import pytest
import torch

from engine.clip.stages import pool
from engine.exits.modules import HEAD, Exit, ExitModules, Gate, exit_distribution, first_exit
from engine.exits.text_bank import STATISTICS


def test_exit_distribution_by_hand() -> None:
    q = exit_distribution(torch.tensor([[0.5, 0.2], [0.0, 0.0], [1.0, 0.7]]))
    assert q.tolist() == [pytest.approx([0.5, 0.1, 0.4]), pytest.approx([0, 0, 1]), pytest.approx([1, 0, 0])]


def test_a_photo_leaves_at_the_first_open_gate() -> None:
    gates = torch.tensor([[0.1, 0.5, 0.9], [0.2, 0.3, 0.49], [0.5, 0.0, 0.0]])
    assert first_exit(gates).tolist() == [1, 3, 0]


def test_a_higher_price_never_makes_a_photo_stay_longer() -> None:
    torch.manual_seed(0)
    gate = Gate(6).eval()
    torch.nn.init.normal_(gate.out.weight, std=3.0)
    prices = torch.linspace(-6, 6, 25)[None]
    logits = gate(torch.randn(40, 6), torch.rand(40, 5), prices)
    assert (logits.diff(dim=1) > 0).all()


def test_pooling_is_mean_and_max() -> None:
    features = torch.tensor([[[[1.0, 3.0], [0.0, 0.0]]]])
    assert pool(features).tolist() == [[1.0, 3.0]]


def test_a_readout_sees_its_own_and_all_earlier_exits() -> None:
    modules = ExitModules([Exit("a", 4), Exit("b", 6)], dim=3).eval()
    pooled = {0: torch.randn(2, 4), 1: torch.randn(2, 6)}
    assert torch.allclose(modules.read(1, pooled).norm(dim=1), torch.ones(2))
    moved = modules.read(1, {0: pooled[0] + 1, 1: pooled[1]})
    assert not torch.allclose(moved, modules.read(1, pooled))
    assert torch.equal(modules.read(0, pooled), modules.read(0, {0: pooled[0], 1: pooled[1] + 1}))


def test_readouts_see_exits_of_their_own_pass_alone() -> None:
    modules = ExitModules([Exit(HEAD, 5, size=32), Exit("a", 4), Exit("b", 6)], dim=3).eval()
    assert [modules.seen(k) for k in range(3)] == [[0], [1], [1, 2]]


def test_the_end_of_a_smaller_pass_is_the_models_own_embedding_until_its_readout_is_fitted() -> None:
    modules = ExitModules([Exit(HEAD, 5, size=32)], dim=3).eval()
    embedding = torch.nn.functional.normalize(torch.randn(2, 3), dim=1)
    maps, others = torch.randn(2, 2), torch.randn(2, 2)
    assert torch.allclose(modules.read(0, {0: torch.cat([embedding, maps], 1)}), embedding)
    torch.nn.init.normal_(modules.get_parameter("gates.0.out.weight"))
    stats, price = torch.zeros(2, STATISTICS), torch.zeros(1, 1)
    seen = [modules.gates[0](torch.cat([embedding, m], 1), stats, price) for m in (maps, others)]
    assert torch.equal(*seen), "the gate looks at the embedding alone"


@pytest.mark.parametrize(("channels", "stride", "size"), [(88, 16, 16), (208, 32, 8)])
def test_branches_end_at_stride_32(channels: int, stride: int, size: int) -> None:
    shape = Exit("blocks", 512 if stride == 16 else 768, channels, stride)
    branch = ExitModules([shape], dim=3).branches[0]
    assert branch.get_submodule("steps")(torch.zeros(1, channels, size, size)).shape[-1] == 8
    assert branch(torch.zeros(1, channels, size, size)).shape == (1, shape.pooled)
