import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.exits.budget import BUDGET_GRID, Plan
from engine.exits.calibration import EXACT, Calibration, calibrations
from engine.exits.checkpoint import FittedExits, as_stored, load_exits, save_exits
from engine.exits.modules import ExitModules
from engine.training import gates
from engine.training.features import Features
from engine.training.gates import Route
from tests import tiny_models

Case = tuple[ExitModules, list[Tensor], Route, Tensor, Tensor]  # and features at each exit, distortion, who is hard


@pytest.fixture
def case() -> Case:
    """Photos of two kinds that the first exit's pooled features tell apart: only one kind loses by leaving there."""
    torch.manual_seed(0)
    modules = ExitModules(tiny_models.exits_of(tiny_models.backbone("vit"), 2), tiny_models.DIM)
    hard = torch.arange(64) % 2 == 0
    pooled = [torch.randn(64, e.pooled) + hard[:, None] * torch.linspace(-2, 2, e.pooled) for e in modules.exits]
    many = len(modules.exits)
    distortion = torch.zeros(64, many + 1)
    distortion[hard, :-1] = 1.0
    route = Route(tuple(range(many)), [torch.rand(64, 5) for _ in range(many)], torch.linspace(0.4, 1.05, many + 1))
    return modules, pooled, route, distortion, hard


@pytest.mark.parametrize("at_once", [64, 40])
def test_gates_learn_which_photos_may_leave(case: Case, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(gates, "STEPS", 200)
    monkeypatch.setattr(gates, "AT_ONCE", at_once)
    modules, pooled, route, distortion, hard = case
    fitted = gates.fit_gates(modules, pooled, [route], distortion)
    exits = route.exits(fitted, pooled, 0.0)
    assert (exits[~hard] == 0).float().mean() > 0.9
    assert (exits[hard] == len(modules.exits)).float().mean() > 0.9


def test_prices_meet_the_budgets_on_the_photos_they_are_calibrated_on(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gates, "STEPS", 50)
    modules, pooled, route, distortion, _ = case
    fitted = gates.fit_gates(modules, pooled, [route], distortion + torch.rand(64, 1))
    prices = gates.calibrate(fitted, pooled, route)
    able = [(budget, price) for budget, price in zip(BUDGET_GRID, prices, strict=True) if price is not None]
    assert [budget for budget, _ in able] == [budget for budget in BUDGET_GRID if budget >= 0.4]
    assert [price for _, price in able] == sorted((price for _, price in able), reverse=True)
    means = [float(route.cost_share[route.exits(fitted, pooled, torch.tensor(p).log().item())].mean()) for _, p in able]
    assert all(mean <= budget + 0.02 for mean, (budget, _) in zip(means, able, strict=True))
    assert means[-1] > means[0] + 0.2


@pytest.mark.parametrize(("share", "from_budget"), [(0.45, 0.45), (0.459, 0.45), (0.461, 0.5)])
def test_each_budget_gets_the_route_that_finds_most_within_it(case: Case, share: float, from_budget: float) -> None:
    modules, pooled, route, _, _ = case
    torch.manual_seed(1)
    full = torch.nn.functional.normalize(torch.randn(64, tiny_models.DIM), dim=1)
    lost = torch.nn.functional.normalize(torch.randn(64, tiny_models.DIM), dim=1)
    vectors = torch.stack([lost, *[full] * (len(modules.exits))], 1)  # the first exit finds nothing
    features = Features(pooled, vectors, full, torch.arange(64))
    first, second = (Route((k,), [route.statistics[k]], torch.tensor([at, 1.05])) for k, at in ((0, 0.3), (1, share)))
    plans = gates.choose_plans(modules, features, [first, second], calibrations(len(modules.exits) + 1), 20.0)
    for budget, plan in zip(BUDGET_GRID, plans, strict=True):
        assert plan.open == ((1,) if budget >= from_budget else (0,))


def test_a_budget_is_not_spent_where_that_finds_no_more_but_a_whole_one_is(case: Case) -> None:
    modules, pooled, route, _, _ = case
    torch.manual_seed(1)
    full = torch.nn.functional.normalize(torch.randn(64, tiny_models.DIM), dim=1)
    lost = torch.nn.functional.normalize(torch.randn(64, tiny_models.DIM), dim=1)
    vectors = torch.stack([full, *[lost] * len(modules.exits)], 1)  # depth finds nothing
    features = Features(pooled, vectors, full, torch.arange(64))
    only = Route((0,), route.statistics[:1], torch.tensor([0.3, 1.2]))
    plans = gates.choose_plans(modules, features, [only], calibrations(len(modules.exits) + 1), 20.0)
    met = plans[BUDGET_GRID.index(0.3) :]
    assert set(met[:-1]) == {met[0]}
    assert met[-1].price < met[0].price


def test_routes_never_have_two_passes_before_the_last() -> None:
    encoder = tiny_models.encoder("efficientnet", opens=((0,), (1,)))
    trace = encoder.trace(tiny_models.pixels(6, encoder.backbone.size))
    features = Features(trace.pooled, torch.stack(trace.vectors, 1), torch.empty(0, tiny_models.DIM), torch.empty(0))
    routes = gates.all_routes(encoder, features)
    depth = [tuple(range(first, encoder.exits - 1)) for first in range(2, encoder.exits - 1)]
    assert [route.open for route in routes] == [(0,), (1,), *depth]
    for route in routes:
        macs = encoder.exit_macs(route.open)
        assert route.cost_share[-1].item() == pytest.approx(macs[-1] / encoder.full_macs)
        assert [len(s) for s in route.statistics] == [6] * len(route.open)


def test_saved_exits_load_again_and_refuse_other_weights(case: Case, tmp_path: Path) -> None:
    modules = case[0]
    model = tiny_models.backbone("vit")
    plans = (Plan((0,), 0.5),) * len(BUDGET_GRID)
    told = tuple(Calibration(0.9, k / 8, 0.05) for k in range(len(modules.exits)))
    save_exits(tmp_path, FittedExits(modules, plans, (*told, EXACT)), "abc")
    found = load_exits(tmp_path, model, "abc")
    assert found is not None
    assert (found.plans, found.calibrations) == (plans, (*told, EXACT))
    for name, tensor in as_stored(modules).state_dict().items():
        assert torch.equal(found.modules.state_dict()[name], tensor)
        whole = modules.state_dict()[name]
        assert torch.equal(tensor, whole if tensor.dim() == 1 else whole.half().float())
    with pytest.raises(Exception, match="other weights"):
        load_exits(tmp_path, model, "another")
    described = json.loads((tmp_path / "tgem.json").read_text())
    described["exits"][0]["pooled"] += 1
    (tmp_path / "tgem.json").write_text(json.dumps(described))
    with pytest.raises(Exception, match="cannot be read"):
        load_exits(tmp_path, model, "abc")
