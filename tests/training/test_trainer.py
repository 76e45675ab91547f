import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from engine.training import trainer
from engine.training.dataset import Example
from engine.training.trainer import LOG, Length, Trainer, fit_one_cycle, groups, learning_rate, run_hash
from engine.utils.errors import EngineError

STEPS = 12
WHOLE = Length(STEPS)


def student() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(4, 3)


def go(model: nn.Linear, work: Path, length: Length = WHOLE, stop: int | None = None, run: str = "") -> None:
    """Run a student, or go on with it; it dies before the step `stop`."""

    def loss_of(step: int) -> Tensor:
        if step == stop:
            raise KeyboardInterrupt
        x = torch.randn(8, 4, generator=torch.Generator().manual_seed(step))
        return (nn.functional.dropout(model(x)) - x[:, :3]).square().mean()

    Trainer(model, groups({"heads": [*model.parameters()]}), work, lambda line: None, run).run(length, loss_of)


def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "KEPT", 5)
    whole, broken, resumed = student(), student(), student()
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    go(whole, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        go(broken, tmp_path / "broken", stop=8)
    go(resumed, tmp_path / "broken")
    assert torch.equal(resumed.weight, whole.weight)
    assert not torch.equal(whole.weight, student().weight)


def test_a_run_that_is_to_stop_early_keeps_the_whole_ones_schedule(tmp_path: Path) -> None:
    for name in ("whole", "part"):
        (tmp_path / name).mkdir()
    whole, part = student(), student()
    go(part, tmp_path / "part", Length(STEPS, stop_after=7))
    go(part, tmp_path / "part")
    go(whole, tmp_path / "whole")
    assert torch.equal(part.weight, whole.weight)


def test_the_log_tells_of_every_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "KEPT", 5)
    go(student(), tmp_path)
    rows = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert [row["step"] for row in rows] == [5, 10, 12]
    assert rows[-1]["loss"] > 0


def test_a_resumed_run_leaves_one_row_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "KEPT", 5)
    monkeypatch.setattr(trainer, "LOGGED", 2)
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    go(student(), tmp_path / "whole")
    for stop in (4, 9):  # before the first checkpoint, and after it
        with pytest.raises(KeyboardInterrupt):
            go(student(), tmp_path / "broken", stop=stop)
    with (tmp_path / "broken" / LOG).open("a") as log:
        log.write('{"step": 1')  # killed while it wrote
    go(student(), tmp_path / "broken")
    whole, broken = (
        [json.loads(line) for line in (tmp_path / name / LOG).read_text().splitlines()] for name in ("whole", "broken")
    )
    assert [(row["step"], row["loss"]) for row in broken] == [(row["step"], row["loss"]) for row in whole]


def test_a_checkpoint_of_other_data_is_refused(tmp_path: Path) -> None:
    go(student(), tmp_path, run="one")
    with pytest.raises(EngineError, match="is of a run with other photos, texts or steps; name another folder as OUT"):
        go(student(), tmp_path, run="another")


def test_a_run_is_told_by_its_photos_texts_and_steps_wherever_they_are(tmp_path: Path) -> None:
    for name, content in (("a/0.jpg", b"12"), ("b/0.jpg", b"12"), ("c/0.jpg", b"123")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(content)
    here, there, other = ([Example(tmp_path / name / "0.jpg", ("a dog",), "train")] for name in "abc")
    own = run_hash(here, ("a",), 5)
    assert run_hash(there, ("a",), 5) == own
    captioned = [Example(here[0].path, ("a cat",), "train")]
    others = [(other, ("a",), 5), (captioned, ("a",), 5), (here, ("b",), 5), (here, ("a",), 6)]
    assert own not in {run_hash(*run) for run in others}


def test_the_student_is_judged_by_its_average_and_goes_on_with_its_own_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "KEPT", 1)
    model, seen, judged = student(), list[Tensor](), list[Tensor]()

    def loss_of(step: int) -> Tensor:
        assert model.training
        seen.append(model.weight.detach().clone())
        return model(torch.ones(1, 4)).square().mean()

    def judge() -> dict[str, float]:
        assert not model.training
        judged.append(model.weight.detach().clone())
        return {}

    Trainer(model, groups({"heads": [*model.parameters()]}), tmp_path, lambda line: None, "").run(WHOLE, loss_of, judge)
    assert torch.equal(judged[-1], model.weight)
    first, second = judged[0], seen[1]  # the average after a step, and the weights that the next one begins with
    assert torch.allclose(first, seen[0] + 0.9 * (second - seen[0]))
    assert not torch.equal(first, second)


def test_only_matrices_decay_and_the_rate_rises_and_falls() -> None:
    model = student()
    matrices, others = groups({"trunk": [*model.parameters()]})
    assert matrices["weight_decay"] > 0 == others["weight_decay"]
    assert [p.ndim for p in others["params"]] == [1]
    rates = [learning_rate(step, 100) for step in range(100)]
    assert rates[:5] == sorted(rates[:5])
    assert max(rates) == rates[4] == 1
    assert rates[4:] == sorted(rates[4:], reverse=True)


def test_a_module_is_fitted_by_one_cycle_and_each_step_is_told() -> None:
    model, x = student(), torch.randn(64, 4)
    told: list[tuple[int, float]] = []
    fit_one_cycle(
        model,
        [{"params": [*model.parameters()], "lr": 0.1}],
        80,
        lambda step: (model(x) - x[:, :3]).square().mean(),
        weight_decay=0.0,
        on_step=lambda done, loss: told.append((done, loss)),
    )
    assert [done for done, _ in told] == list(range(1, 81))
    assert told[-1][1] < 0.1 * told[0][1]
