import pytest
import torch

from engine.exits.gate import Gate, exit_distribution, first_exit, leaving
from engine.exits.text_bank import STATISTICS


def test_exit_distribution_by_hand() -> None:
    q = exit_distribution(torch.tensor([[0.5, 0.2], [0.0, 0.0], [1.0, 0.7]]))
    assert q.tolist() == [pytest.approx([0.5, 0.1, 0.4]), pytest.approx([0, 0, 1]), pytest.approx([1, 0, 0])]


def test_a_photo_leaves_at_the_first_gate_that_is_sure_enough() -> None:
    gates = torch.tensor([[0.1, 0.5, 0.9], [0.2, 0.3, 0.49], [0.5, 0.0, 0.0]])
    assert first_exit(gates).tolist() == [1, 3, 0]


def test_a_higher_price_never_makes_a_photo_stay_longer() -> None:
    leanings = torch.linspace(-20, 20, 9)
    probabilities = leaving(leanings[:, None], torch.linspace(-6, 6, 25))
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
