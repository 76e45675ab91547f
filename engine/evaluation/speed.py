"""Measures speed: open_clip's own loop, full depth, every exit, and the gates."""

import platform
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image

from engine.evaluation import Row
from engine.exits.budget import DEFAULT_BUDGET
from engine.exits.checkpoint import FittedExits, unfitted
from engine.exits.encoder import Encoder
from engine.exits.loading import load_encoder
from engine.exits.modules import ExitModules
from engine.training.readouts import choose_exits
from engine.utils.errors import EngineError
from engine.utils.paths import DEMO_GALLERY
from engine.utils.turns import seconds_in_turns

BATCHES = (1, 8, 32, 128)
ROUNDS = 7  # after one that warms up; the median of a mode's rounds counts
FEWEST = 16  # photos in a round, so that small batches are not over before the clock ticks


def bench(
    models: Sequence[str | None],
    batches: Sequence[int],
    modes: Sequence[str] | None = None,
    say: Callable[[str], None] = lambda line: None,
    precision: str = "float32",
) -> Row:
    """Measure models, in rounds that take turns.

    Args:
        models: names as `load_model` takes them.
        modes: of "bare", "full", "tgem" and "exit:K" (1-based); by default all that a model has.
        precision: of all modes but "bare", which is always float32; "bfloat16" counts where there is a way to it.
    Returns: {"device", "threads", "precision", "rows": [{"model", "mode", "batch", "images_per_s", "macs_share"}]}.
    Raises: EngineError where a model has no such mode; ModelUnreadable.
    """
    rows: list[Row] = []
    about: Row = {}
    for model in models:
        encoder = encoder_to_measure(model, precision)
        for batch in batches:
            about, found = timed(encoder, batch, modes)
            for row, spread in found:
                rows.append(row)
                say(line(row, spread))
    return {**about, "rows": rows}


def line(row: Row, spread: float) -> str:
    """A row for a person; spread is that of the middle half of the rounds, as a share of the median."""
    return (
        f"{row['model']}  {row['mode']:8} batch {row['batch']:<4} {row['images_per_s']:8.2f} images/s "
        f"(± {spread:.1%})  MACs {row['macs_share']:.3f}"
    )


def promises(rows: Sequence[Row]) -> list[tuple[Row, float]]:
    """How each early row did against its promise: (times full depth's speed) * (its MACs share); 1 is what MACs say."""
    full = {(row["model"], row["batch"]): row["images_per_s"] for row in rows if row["mode"] == "full"}
    found = []
    for row in rows:
        if row["mode"] not in ("bare", "full") and (key := (row["model"], row["batch"])) in full:
            found.append((row, row["images_per_s"] / full[key] * row["macs_share"]))
    return found


def encoder_to_measure(model: str | None, precision: str = "float32") -> Encoder:
    """A model with its exits or, where it has none, with untrained ones that let equal shares go."""
    encoder = load_encoder(model, precision=precision)
    return encoder if encoder.exits > 1 else encoder.with_exits(untrained(encoder, photos(encoder, 64)))


@torch.no_grad()
def untrained(encoder: Encoder, pixels: np.ndarray) -> FittedExits:
    """Exits of random weights whose gates let about equal shares of these photos go at each exit: for speed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        modules = ExitModules(choose_exits(encoder.backbone), encoder.dim)
        for gate in modules.gates:
            torch.nn.init.normal_(gate.get_parameter("out.weight"))
    fitted = unfitted(modules)
    tried = encoder.with_exits(fitted)
    leanings, staying = tried.leanings(tried.trace(pixels)), torch.ones(len(pixels), dtype=torch.bool)
    for k in range(len(modules.gates)):
        threshold = leanings[staying, k].quantile(1 - 1 / (tried.exits - k))
        modules.get_parameter(f"gates.{k}.out.bias").sub_(threshold)
        staying &= leanings[:, k] < threshold
    return replace(fitted, log_prices=(0.0,) * len(fitted.log_prices))  # photos leave whose gates lean to it


def photos(encoder: Encoder, many: int) -> np.ndarray:
    """Photos of the demo gallery as the encoder takes them, from the first again where they do not suffice."""
    files = sorted(p for p in DEMO_GALLERY.iterdir() if p.suffix == ".jpg")[:many]
    pixels = []
    for file in files:
        with Image.open(file) as picture:
            pixels.append(encoder.preprocess(picture.convert("RGB")))
    return np.stack([pixels[i % len(pixels)] for i in range(many)])


def _modes(encoder: Encoder) -> dict[str, tuple[Callable[[np.ndarray], Any], float | None]]:
    """What each mode does with a batch, and its MACs share; None: as the photos have it."""
    found: dict[str, tuple[Callable[[np.ndarray], Any], float | None]] = {
        "bare": (encoder.backbone.encode_image, sum(encoder.backbone.stage_macs) / encoder.full_macs),
        "full": (partial(encoder.deepen, exit=encoder.exits), 1.0),
        "tgem": (partial(encoder.encode, budget=DEFAULT_BUDGET), None),
    }
    for k in range(1, encoder.exits):
        share = encoder.exit_macs[k - 1] / encoder.full_macs
        found[f"exit:{k}"] = (partial(encoder.deepen, exit=k), share)
    return found


def timed(encoder: Encoder, batch: int, wanted: Sequence[str] | None) -> tuple[Row, list[tuple[Row, float]]]:
    """Where it was measured; and rows of one batch size, with each one's spread.

    The modes take turns. Raises: EngineError where a model has no such mode.
    """
    able = _modes(encoder)
    if unknown := [mode for mode in wanted or () if mode not in able]:
        raise EngineError(f"{unknown[0]} is no mode of {encoder.identity.model}; choose from {', '.join(able)}.")
    modes = {mode: able[mode] for mode in wanted or able}
    many = batch * max(1, FEWEST // batch)
    pixels = photos(encoder, many)
    parts = [pixels[start : start + batch] for start in range(0, many, batch)]

    def run_all(run: Callable[[np.ndarray], Any]) -> None:
        for part in parts:
            run(part)

    seconds = seconds_in_turns([partial(run_all, run) for run, _ in modes.values()], ROUNDS)
    found = []
    for (mode, (run, share)), taken in zip(modes.items(), seconds, strict=True):
        if share is None:
            share = float(np.mean([e.macs for part in parts for e in run(part)]) / encoder.full_macs)
        middle = median(taken)
        low, high = np.quantile(taken, (0.25, 0.75))
        row = {
            "model": encoder.identity.model,
            "mode": mode,
            "batch": batch,
            "images_per_s": round(many / middle, 3),
            "macs_share": round(share, 4),
        }
        found.append((row, float(high - low) / middle))
    about = {"device": device_name(encoder), "threads": torch.get_num_threads(), "precision": encoder.precision}
    return about, found


def device_name(encoder: Encoder) -> str:
    """What an encoder computes on."""
    if encoder.backbone.device.type == "cuda":
        return torch.cuda.get_device_name()
    try:
        rows = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(row.split(":", 1)[1].strip() for row in rows if row.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor()
    return f"{encoder.backbone.device.type} ({name})"
