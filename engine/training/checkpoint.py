"""Checkpoints of a training run: weights, their running average and the optimizer's moments, as safetensors."""

from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

CHECKPOINT = "checkpoint.safetensors"
MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # Adam's


def assign(module: nn.Module, values: dict[str, Tensor]) -> None:
    """Set every parameter of a module, by name."""
    with torch.no_grad():
        for name, p in module.named_parameters():
            p.copy_(values[name])


def save_checkpoint(
    work: Path, step: int, student: nn.Module, optimizer: torch.optim.Optimizer, average: dict[str, Tensor]
) -> None:
    """Write a run's state to a folder, whole or not at all."""
    tensors = {f"weights/{name}": p.detach() for name, p in student.named_parameters()}
    tensors |= {f"average/{name}": p for name, p in average.items()}
    tensors |= dict(_moments(student, optimizer))
    partial = work / f"{CHECKPOINT}.partial"
    save_file({name: t.contiguous().clone() for name, t in tensors.items()}, partial, {"step": str(step)})
    partial.replace(work / CHECKPOINT)


def load_checkpoint(
    work: Path, student: nn.Module, optimizer: torch.optim.Optimizer, average: dict[str, Tensor]
) -> int:
    """Read a run's state, in place; returns the step that comes next, 0 where there is no checkpoint."""
    path = work / CHECKPOINT
    if not path.is_file():
        return 0
    with safe_open(path, framework="pt") as stored:
        step = int(stored.metadata()["step"])
        names = set(stored.keys())
        for name, p in student.named_parameters():
            p.data.copy_(stored.get_tensor(f"weights/{name}"))
            average[name].copy_(stored.get_tensor(f"average/{name}"))
            if f"adam/step/{name}" in names:
                optimizer.state[p] = {key: stored.get_tensor(f"adam/{key}/{name}") for key in MOMENTS}
    return step


def _moments(student: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, Tensor]]:
    for name, p in student.named_parameters():
        for key, value in optimizer.state.get(p, {}).items():
            yield f"adam/{key}/{name}", value
