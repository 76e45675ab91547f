"""The training loop, and what long runs add to it: a schedule, averaged weights, checkpoints and a log."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from engine.training.dataset import Example
from engine.utils.atomic_files import SHARED, write_whole
from engine.utils.errors import EngineError

# Peak learning rates.
RATES = {"trunk": 2e-4, "heads": 1e-3, "text": 3e-5, "whole text": 8e-5, "taught text": 2e-4}
WEIGHT_DECAY = 0.05
BETAS = (0.9, 0.98)
CLIP = 5.0  # gradient norm
AVERAGE_DECAY = 0.997
LOGGED, KEPT = 10, 60  # steps between lines of the log, and between checkpoints
SEED = 2605
CHECKPOINT, LOG = "checkpoint.safetensors", "log.jsonl"
MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # Adam's


@dataclass(frozen=True)
class Length:
    """How long a run is."""

    steps: int  # of its schedule
    stop_after: int | None = None  # steps that are done of them; None: all


Groups = list[dict[str, Any]]  # of parameters, as an optimizer takes them
Loss = Callable[[int], Tensor]  # of a step, counted from 0


def train(
    student: nn.Module,
    optimizer: Optimizer,
    steps: range,
    loss_of: Loss,
    after: Callable[[int, float], object],
    clip: float | None = None,
) -> None:
    """The one training loop: for each step a loss, its gradients and an optimizer step.

    Args:
        after: called with each step and its loss, when its weights are made.
        clip: largest norm of all gradients together.
    """
    for step in steps:
        loss = loss_of(step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(student.parameters(), clip)
        optimizer.step()
        after(step, float(loss.detach()))


def fit_one_cycle(
    student: nn.Module,
    rates: Groups,
    steps: int,
    loss_of: Loss,
    weight_decay: float = WEIGHT_DECAY,
    on_step: Callable[[int, float], object] = lambda done, loss: None,
) -> None:
    """Train a module, as it is, by the one-cycle schedule (Smith and Topin 2019); nothing is kept on the way.

    Args:
        rates: groups of parameters, each with its peak rate as "lr".
        on_step: called with the number of steps done, and the last one's loss.
    """
    optimizer = AdamW(rates, weight_decay=weight_decay)
    schedule = OneCycleLR(optimizer, [group["lr"] for group in rates], total_steps=steps)

    def after(step: int, loss: float) -> None:
        schedule.step()
        on_step(step + 1, loss)

    train(student, optimizer, range(steps), loss_of, after)


def groups(parameters: Mapping[str, Sequence[Tensor]]) -> Groups:
    """Groups for a `Trainer`, by the names of RATES; only matrices decay."""
    return [
        {"params": [p for p in named if (p.ndim > 1) == (decay > 0)], "peak": RATES[name], "weight_decay": decay}
        for name, named in parameters.items()
        for decay in (WEIGHT_DECAY, 0.0)
    ]


def learning_rate(step: int, steps: int) -> float:
    """Share of the peak rate: a linear rise over the first 5 %, then a half cosine to 0."""
    rise = max(1, steps // 20)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + float(np.cos(np.pi * (step - rise) / max(1, steps - rise))))


def run_hash(examples: Sequence[Example], texts: Sequence[str], steps: int) -> str:
    """SHA-256, in hex, of what a run trains on and how long it is; photos count by name and size, wherever they are."""
    photos = [(e.path.name, e.path.stat().st_size, e.texts) for e in examples]
    return hashlib.sha256(json.dumps([photos, texts, steps]).encode()).hexdigest()


class Trainer:
    """Trains a student for hours, from the first step or from its last checkpoint."""

    def __init__(self, student: nn.Module, rates: Groups, work: Path, say: Callable[[str], None], run: str) -> None:
        """Args:
            rates: the student's parameters as `groups` sorts them.
            work: folder of checkpoints and log.
            run: what the run is, see `run_hash`.
        Raises: EngineError where the checkpoint is of another run.
        """
        self._student, self._work, self._say, self._run = student, work, say, run
        self._optimizer = AdamW(rates, lr=0.0, betas=BETAS, fused=True)
        self._average = {name: p.detach().clone() for name, p in student.named_parameters()}
        self._first = self._load()

    def run(self, length: Length, loss_of: Loss, judge: Callable[[], dict[str, Any]] = dict) -> None:
        """Run the steps that are left, and give the student its average weights.

        A step's random draws depend on its number alone, so a resumed run makes the same weights.

        Args: judge: what the log says at each checkpoint of the student with its average weights.
        """
        began, losses = time.perf_counter(), []
        steps = length.steps
        last = min(steps, length.stop_after or steps)

        def prepared(step: int) -> Tensor:
            torch.manual_seed(SEED * 1_000_003 + step)  # for dropout
            for group in self._optimizer.param_groups:
                group["lr"] = group["peak"] * learning_rate(step, steps)
            return loss_of(step)

        def after(step: int, loss: float) -> None:
            self._follow(min(AVERAGE_DECAY, (step + 1) / (step + 10)))
            losses.append(loss)
            done = step + 1
            kept = done % KEPT == 0 or done == last
            if kept or done % LOGGED == 0:
                row: dict[str, Any] = {"step": done, "of": steps, "loss": round(float(np.mean(losses)), 4)}
                losses.clear()
                if kept:
                    with self._averaged():
                        row |= judge()
                    self._save(done)
                self._log(row | {"seconds": round(time.perf_counter() - began)})

        self._student.train()
        train(self._student, self._optimizer, range(self._first, last), prepared, after, CLIP)
        self._assign(self._average)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Give the student its average weights, and put it in evaluation mode, for a while."""
        own = {name: p.detach().clone() for name, p in self._student.named_parameters()}
        self._assign(self._average)
        self._student.eval()
        try:
            yield
        finally:
            self._assign(own)
            self._student.train()

    @torch.no_grad()
    def _follow(self, decay: float) -> None:
        """Move the average towards the weights."""
        for name, p in self._student.named_parameters():
            self._average[name].lerp_(p, 1 - decay)

    @torch.no_grad()
    def _assign(self, values: dict[str, Tensor]) -> None:
        for name, p in self._student.named_parameters():
            p.copy_(values[name])

    def _log(self, row: dict[str, Any]) -> None:
        line = json.dumps(row)
        with (self._work / LOG).open("a", encoding="utf-8") as log:
            log.write(line + "\n")
        self._say(line)

    def _save(self, step: int) -> None:
        """Write the run's state, whole or not at all."""
        tensors = {f"average/{name}": p for name, p in self._average.items()}
        for name, p in self._student.named_parameters():
            tensors[f"weights/{name}"] = p.detach()
            tensors |= {f"adam/{key}/{name}": value for key, value in self._optimizer.state.get(p, {}).items()}
        apart = {name: t.contiguous().clone() for name, t in tensors.items()}
        write_whole(self._work / CHECKPOINT, save(apart, {"step": str(step), "run": self._run}))

    def _load(self) -> int:
        """Read the run's state; returns the step that comes next, 0 where there is no checkpoint."""
        path = self._work / CHECKPOINT
        if not path.is_file():
            self._forget_after(0)
            return 0
        with safe_open(path, framework="pt") as stored:
            about = stored.metadata()
            if about.get("run") != self._run:
                raise EngineError(f"{path} is of a run with other photos, texts or steps; name another folder as OUT.")
            names = set(stored.keys())
            for name, p in self._student.named_parameters():
                p.data.copy_(stored.get_tensor(f"weights/{name}"))
                self._average[name].copy_(stored.get_tensor(f"average/{name}"))
                if f"adam/step/{name}" in names:
                    self._optimizer.state[p] = {key: stored.get_tensor(f"adam/{key}/{name}") for key in MOMENTS}
        self._forget_after(int(about["step"]))
        return int(about["step"])

    def _forget_after(self, step: int) -> None:
        """Take rows of later steps out of the log, which a killed run has left and this one writes again."""
        log = self._work / LOG
        if log.is_file():
            lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
            write_whole(log, "".join(kept).encode(), SHARED)
