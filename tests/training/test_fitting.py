import json

import pytest
import torch

from engine.budget import BUDGET_GRID
from engine.exits import load_exits, save_exits
from engine.tgem import ExitModules, first_exit
from engine.training import fitting
from tests import tiny


@pytest.fixture
def case():
    """Photos of two kinds that the first exit's pooled features tell apart: only one kind loses by leaving there."""
    torch.manual_seed(0)
    modules = ExitModules(tiny.exits_of(tiny.backbone("vit"), 2), tiny.DIM)
    hard = torch.arange(64) % 2 == 0
    pooled = [torch.randn(64, e.pooled) + hard[:, None] * torch.linspace(-2, 2, e.pooled) for e in modules.exits]
    stats = [torch.rand(64, 5) for _ in modules.exits]
    distortion = torch.zeros(64, len(modules.exits) + 1)
    distortion[hard, :-1] = 1.0
    share = torch.linspace(0.4, 1.05, len(modules.exits) + 1)
    return modules, pooled, stats, distortion, share, hard


def test_gates_learn_which_photos_may_leave(case, monkeypatch) -> None:
    monkeypatch.setattr(fitting, "STEPS", 200)
    modules, pooled, stats, distortion, share, hard = case
    fitted = fitting.fit_gates(modules, pooled, stats, distortion, share)
    logits = torch.stack(
        [g(f, s, torch.zeros(1, 1))[:, 0] for g, f, s in zip(fitted.gates, pooled, stats, strict=True)], 1
    )
    exits = first_exit(logits.sigmoid())
    assert (exits[~hard] == 0).float().mean() > 0.9
    assert (exits[hard] == len(modules.exits)).float().mean() > 0.9


def test_prices_meet_the_budgets_on_the_photos_they_are_calibrated_on(case, monkeypatch) -> None:
    monkeypatch.setattr(fitting, "STEPS", 50)
    modules, pooled, stats, distortion, share, _ = case
    fitted = fitting.fit_gates(modules, pooled, stats, distortion + torch.rand(64, 1), share)
    prices = fitting.calibrate(fitted, pooled, stats, share)
    assert prices == sorted(prices, reverse=True)
    means = []
    for budget, price in zip(BUDGET_GRID, prices, strict=True):
        log_price = torch.tensor([[price]]).log()
        logits = [g(f, s, log_price)[:, 0] for g, f, s in zip(fitted.gates, pooled, stats, strict=True)]
        mean = share[first_exit(torch.stack(logits, 1).sigmoid())].mean().item()
        assert mean <= budget + 0.02
        means.append(mean)
    assert means[-1] > means[0] + 0.2


def test_saved_exits_load_again_and_refuse_other_weights(case, tmp_path) -> None:
    modules = case[0]
    model = tiny.backbone("vit")
    save_exits(tmp_path, modules, [0.5] * len(BUDGET_GRID), "abc")
    loaded, prices = load_exits(tmp_path, model, "abc")
    assert prices == [0.5] * len(BUDGET_GRID)
    for name, tensor in modules.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor.half().float())
    with pytest.raises(Exception, match="other weights"):
        load_exits(tmp_path, model, "another")
    described = json.loads((tmp_path / "tgem.json").read_text())
    described["exits"][0]["pooled"] += 1
    (tmp_path / "tgem.json").write_text(json.dumps(described))
    with pytest.raises(Exception, match="cannot be read"):
        load_exits(tmp_path, model, "abc")
