import pytest
import torch
import torch.nn.functional as F

from engine.exits.checkpoint import as_stored
from engine.exits.modules import Exit, ExitModules
from engine.training import readouts
from engine.training.readouts import choose_exits, fit_readouts, nearest_texts, readout_loss
from tests import tiny_models


def unit(*shape: int) -> torch.Tensor:
    return F.normalize(torch.randn(*shape), dim=-1)


@pytest.mark.parametrize("kind", tiny_models.VISION)
def test_exits_stand_from_a_quarter_of_the_macs_on_and_are_few(kind: str) -> None:
    model = tiny_models.backbone(kind)
    exits = choose_exits(model)
    names = [stage.name for stage in model.tower.stages]
    places = [names.index(e.stage) for e in exits]
    macs = model.stage_macs
    assert places == sorted(set(places))
    assert 1 <= len(places) <= readouts.MOST
    assert places[-1] < len(names) - 1, "after the last stage nothing is saved"
    assert all(sum(macs[: place + 1]) >= 0.25 * sum(macs) for place in places)
    state = torch.zeros(1, 3, model.size, model.size)
    for place, stage in enumerate(model.tower.stages):
        state = stage.run(state)
        for e in (e for e, at in zip(exits, places, strict=True) if at == place):
            assert model.tower.pooled(state).shape == (1, e.seen)


def test_the_loss_is_least_where_an_exit_says_what_full_depth_says() -> None:
    torch.manual_seed(0)
    final, texts = unit(12, 8), unit(12, 8)
    own = torch.eye(12, dtype=torch.bool)
    for captions in (own, None):
        same = readout_loss(final, final, texts, captions, 10.0)
        near = readout_loss(F.normalize(final + 0.1 * unit(12, 8), dim=1), final, texts, captions, 10.0)
        far = readout_loss(unit(12, 8), final, texts, captions, 10.0)
        assert near < far
        if captions is None:
            assert same < near


Case = tuple[list[Exit], list[torch.Tensor], torch.Tensor]  # exits, what is seen at each, final embeddings


@pytest.fixture
def case() -> Case:
    """Features from which the final embedding can be read, the more exactly the later; badly scaled, as they are."""
    torch.manual_seed(0)
    final = unit(300, 8)
    noise = [torch.randn(300, 20) for _ in range(2)]
    mixed = [F.pad(final, (0, 12)) @ torch.randn(20, 20) + much * n for much, n in zip((0.3, 0.03), noise, strict=True)]
    pooled = [m * torch.logspace(-1, 2, 20) + torch.linspace(-30, 80, 20) for m in mixed]
    return [Exit("a", 20), Exit("b", 20)], pooled, final


@pytest.mark.parametrize("captioned", [True, False])
def test_readouts_learn_the_models_own_embedding(case: Case, captioned: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readouts, "FEWEST_STEPS", 150)
    exits, pooled, final = case
    train = [f[:200] for f in pooled]
    texts = F.normalize(final[:200].repeat_interleave(2, 0) + 0.2 * unit(400, 8), dim=1) if captioned else unit(30, 8)
    owner = torch.arange(200).repeat_interleave(2) if captioned else None
    steps = []
    modules = fit_readouts(
        exits, train, final[:200], texts, owner, 10.0, lambda done, total: steps.append((done, total))
    )
    assert steps[-1] == (150, 150)
    kept = as_stored(modules)
    first = kept.read(0, pooled[0][200:], None)
    second = kept.read(1, pooled[1][200:], first)
    early, late = ((v * final[200:]).sum(1).mean() for v in (first, second))
    assert late > early > 0.7
    assert late > 0.9


def test_the_same_features_give_the_same_readouts(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readouts, "FEWEST_STEPS", 5)
    exits, pooled, final = case
    first, second = (fit_readouts(exits, pooled, final, final, torch.arange(300), 10.0) for _ in range(2))
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


def test_texts_of_the_bank_stand_in_for_captions() -> None:
    bank = torch.eye(4)
    texts, owner = nearest_texts(F.normalize(torch.tensor([[3.0, 2, 1, 0], [0, 0, 1, 2]]), dim=1), bank, 2)
    assert torch.equal(texts, bank[[0, 1, 3, 2]])
    assert owner.tolist() == [0, 0, 1, 1]


def test_an_exit_begins_with_what_the_one_before_said() -> None:
    modules = ExitModules([Exit("blocks.0", 6), Exit("blocks.1", 6)], 4)
    readouts._say_on(modules)
    before = F.normalize(torch.randn(3, 4), dim=1)
    torch.testing.assert_close(modules.read(1, torch.randn(3, 6), before), before)


def test_photos_without_a_caption_teach_nothing(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readouts, "FEWEST_STEPS", 5)
    monkeypatch.setattr(readouts, "EPOCHS", 0)
    monkeypatch.setattr(readouts, "_scale", lambda exit, features: (torch.zeros(20), torch.ones(20)))
    exits, pooled, final = case
    described = torch.arange(0, len(final) - 1, 2)  # the last photo has none either
    captions = final[described]
    every = fit_readouts(exits, pooled, final, captions, described, 10.0)
    alone = fit_readouts(exits, [f[described] for f in pooled], captions, captions, torch.arange(len(described)), 10.0)
    assert all(torch.equal(a, b) for a, b in zip(every.parameters(), alone.parameters(), strict=True))
