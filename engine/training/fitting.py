"""Fitting exits to a frozen model, from the feature cache."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor

from engine.budget import BUDGET_GRID
from engine.encoder import Encoder, load_encoder
from engine.errors import EngineError
from engine.exits import save_exits
from engine.guidance import content_distribution, divergence, statistics
from engine.tgem import ExitModules, first_exit
from engine.training.captions import gate_photos, read_captions
from engine.training.features import Features, cached
from engine.training.objective import caption_distortion, rate_distortion

STEPS = 800
RATE, WEIGHT_DECAY = 2e-3, 0.05
PRICES = (0.003, 30.0)  # lambda is drawn log-uniformly between these
DIVERGENCE_WEIGHT = 0.3
POOL = 3000  # other photos among which captions look for theirs
SEED = 2605


class NothingToFit(EngineError):
    """A model without readouts, or a photo set without the photos that gates are fitted on."""


def guide_statistics(encoder: Encoder, features: Features) -> tuple[list[Tensor], Tensor]:
    """Statistics of p_k at each gated exit, K - 1 of (N, 5), and KL(p_K || p_k) in nats, (N, K)."""
    sharpness = encoder.backbone.sharpness
    final = content_distribution(features.vectors[:, -1], encoder.guides, sharpness)
    found, apart = [], []
    before: Tensor | None = None
    for k in range(features.vectors.shape[1]):
        p = content_distribution(features.vectors[:, k], encoder.guides, sharpness)
        apart.append(divergence(final, p))
        if k < len(features.pooled):
            found.append(statistics(p, before))
        before = p
    return found, torch.stack(apart, 1)


def fit_gates(
    modules: ExitModules,
    pooled: Sequence[Tensor],
    stats: Sequence[Tensor],
    distortion: Tensor,
    cost_share: Tensor,
    seed: int = SEED,
) -> ExitModules:
    """A copy of exit modules with gates trained on the rate-distortion loss; every photo and step draws a new lambda.

    Args:
        pooled: K - 1 of (N, F_k).  stats: K - 1 of (N, 5).  distortion: (N, K).  cost_share: (K,).
    """
    torch.manual_seed(seed)
    fitted = ExitModules(modules.exits, modules.dim)
    fitted.branches.load_state_dict(modules.branches.state_dict())
    fitted.projections.load_state_dict(modules.projections.state_dict())
    optimizer = torch.optim.AdamW(fitted.gates.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
    low, high = torch.tensor(PRICES).log()
    fitted.gates.train()
    for _ in range(STEPS):
        log_price = low + (high - low) * torch.rand(len(distortion), 1)
        logits = [gate(f, s, log_price)[:, 0] for gate, f, s in zip(fitted.gates, pooled, stats, strict=True)]
        loss = rate_distortion(torch.stack(logits, 1).sigmoid(), distortion, cost_share, log_price[:, 0].exp())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return fitted.eval().requires_grad_(False)


def calibrate(
    modules: ExitModules, pooled: Sequence[Tensor], stats: Sequence[Tensor], cost_share: Tensor
) -> list[float]:
    """lambda for each budget of BUDGET_GRID: the price at which these photos' mean MACs share meets it.

    Gates are monotone in lambda, so bisection finds it. A budget below the first exit's share gets the highest price.
    """

    def share(log_price: float) -> float:
        price = torch.tensor([[log_price]])
        logits = [gate(f, s, price)[:, 0] for gate, f, s in zip(modules.gates, pooled, stats, strict=True)]
        return float(cost_share[first_exit(torch.stack(logits, 1).sigmoid())].mean())

    prices = []
    for budget in BUDGET_GRID:
        low, high = -20.0, 20.0
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if share(middle) > budget else (low, middle)
        prices.append(float(torch.tensor(high).exp()))
    return prices


def fit(data: Path, model: str | None = None, out: Path | None = None, say: Callable[[str], None] = print) -> None:
    """Fit the gates of a model's exits to a captioned set and calibrate the budgets.

    The gates are fitted on train photos that the readouts have not seen (readouts fit the photos they were trained on
    too well), and the prices are calibrated on val.

    Args:
        data: folder with `captions.jsonl` and `images`.
        model: an OpenCLIP folder with exits; None is the embedded model.
        out: where the exit weights are written; by default the model's folder.
    """
    encoder = load_encoder(model)
    folder = out or encoder.folder
    if encoder.exits == 1:
        raise NothingToFit(f"{encoder.identity.model} has no readouts to fit gates for; train-mini writes them.")
    examples = read_captions(data)
    held = [e for e in examples if e.path.name in gate_photos()]
    pool = [e for e in examples if e.split == "train" and e.path.name not in gate_photos()][:POOL]
    validation = [e for e in examples if e.split == "val"]
    if not held or not validation:
        raise NothingToFit(f"{data} has no photos of the list gate_photos.txt, or none in the split val.")
    cache = folder / "training"
    say(f"features of {len(held)} photos for the gates, {len(pool)} around them, and val's")
    photos = cached(cache / "features-gates.safetensors", encoder, held, say)
    around = cached(cache / "features-around.safetensors", encoder, pool, say)
    val = cached(cache / "features-val.safetensors", encoder, validation, say)

    sharpness = encoder.backbone.sharpness
    cost_share = torch.tensor(encoder.exit_macs, dtype=torch.float32) / encoder.full_macs
    stats, apart = guide_statistics(encoder, photos)
    distortion = caption_distortion(photos.vectors, photos.texts, photos.owner, around.vectors, sharpness)
    # Where an early exit serves the captions better than full depth, that is luck of the draw and no reward.
    meaning = distortion.clamp_min(0) + DIVERGENCE_WEIGHT * apart
    modules = fit_gates(encoder.modules, photos.pooled, stats, meaning, cost_share)
    stored = deepcopy(modules).half().float()  # what float16 storage keeps
    prices = calibrate(stored, val.pooled, guide_statistics(encoder, val)[0], cost_share)
    save_exits(folder, modules, prices, encoder.identity.weights)
    say(f"exit weights written to {folder}")
