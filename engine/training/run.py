"""A training run: optimizer, learning rate, running average of the weights, checkpoints and a log."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from engine.utils.atomic_files import replacing

RATES = {"trunk": 2e-4, "heads": 1e-3, "text": 3e-5}  # at the peak
WEIGHT_DECAY = 0.05
DROP_PATH, DROPOUT = 0.1, 0.1
AVERAGE_DECAY = 0.997
LOGGED, KEPT = 20, 120  # steps between lines of the log, and between checkpoints
SEED = 2605
CHECKPOINT, LOG = "checkpoint.safetensors", "log.jsonl"
MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # Adam's


def groups(parameters: Mapping[str, Sequence[Tensor]]) -> list[dict[str, Any]]:
    """Optimizer groups by the names of RATES; only matrices decay."""
    return [
        {"params": [p for p in mine if (p.ndim > 1) == (decay > 0)], "peak": RATES[name], "weight_decay": decay}
        for name, mine in parameters.items()
        for decay in (WEIGHT_DECAY, 0.0)
    ]


def learning_rate(step: int, steps: int) -> float:
    """Share of the peak rate: a linear rise over the first 5 %, then a half cosine to 0."""
    rise = max(1, steps // 20)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + float(np.cos(np.pi * (step - rise) / max(1, steps - rise))))


class Run:
    """A student on its way from the first step, or from its last checkpoint, to the last step."""

    def __init__(
        self, student: nn.Module, rates: list[dict[str, Any]], work: Path, resume: bool, say: Callable[[str], None]
    ) -> None:
        """Args: rates: the student's parameters as `groups` sorts them.  work: folder of checkpoints and log."""
        self._student, self._work, self._say = student, work, say
        self._optimizer = torch.optim.AdamW(rates, lr=0.0, betas=(0.9, 0.98), fused=True)
        self._average = {name: p.detach().clone() for name, p in student.named_parameters()}
        self._first = self._load() if resume else 0

    def go(self, steps: int, loss_of: Callable[[int], Tensor], judge: Callable[[], dict[str, Any]] = dict) -> None:
        """Run the steps that are left, and give the student its average weights.

        Args: loss_of: a step's loss.  judge: what the log says of the student at each checkpoint.
        """
        self._student.train()
        began, losses = time.perf_counter(), []
        for step in range(self._first, steps):
            torch.manual_seed(SEED * 1_000_003 + step)  # for dropout: a resumed run draws the same
            for group in self._optimizer.param_groups:
                group["lr"] = group["peak"] * learning_rate(step, steps)
            loss = loss_of(step)
            self._descend(loss, min(AVERAGE_DECAY, (step + 1) / (step + 10)))
            losses.append(float(loss.detach()))
            done = step + 1
            if done % KEPT == 0 or done % LOGGED == 0 or done == steps:
                row: dict[str, Any] = {"step": done, "of": steps, "loss": round(float(np.mean(losses)), 4)}
                losses = []
                if done % KEPT == 0 or done == steps:
                    row |= judge()
                    self._save(done)
                row["seconds"] = round(time.perf_counter() - began)
                with (self._work / LOG).open("a", encoding="utf-8") as log:
                    log.write(json.dumps(row) + "\n")
                self._say(json.dumps(row))
        self._assign(self._average)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The student with its average weights, and not in training, for a while."""
        kept = {name: p.detach().clone() for name, p in self._student.named_parameters()}
        self._assign(self._average)
        self._student.eval()
        try:
            yield
        finally:
            self._assign(kept)
            self._student.train()

    def _descend(self, loss: Tensor, decay: float) -> None:
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self._student.parameters(), 5.0)
        self._optimizer.step()
        with torch.no_grad():
            for name, p in self._student.named_parameters():
                self._average[name].lerp_(p, 1 - decay)

    @torch.no_grad()
    def _assign(self, values: dict[str, Tensor]) -> None:
        for name, p in self._student.named_parameters():
            p.copy_(values[name])

    def _save(self, step: int) -> None:
        """Write the run's state, whole or not at all."""
        tensors = {f"average/{name}": p for name, p in self._average.items()}
        for name, p in self._student.named_parameters():
            tensors[f"weights/{name}"] = p.detach()
            tensors |= {f"adam/{key}/{name}": value for key, value in self._optimizer.state.get(p, {}).items()}
        with replacing(self._work / CHECKPOINT) as part:
            save_file({name: t.contiguous().clone() for name, t in tensors.items()}, part, {"step": str(step)})

    def _load(self) -> int:
        """Read the run's state; returns the step that comes next, 0 where there is no checkpoint."""
        path = self._work / CHECKPOINT
        if not path.is_file():
            return 0
        with safe_open(path, framework="pt") as stored:
            names = set(stored.keys())
            for name, p in self._student.named_parameters():
                p.data.copy_(stored.get_tensor(f"weights/{name}"))
                self._average[name].copy_(stored.get_tensor(f"average/{name}"))
                if f"adam/step/{name}" in names:
                    self._optimizer.state[p] = {key: stored.get_tensor(f"adam/{key}/{name}") for key in MOMENTS}
            return int(stored.metadata()["step"])
