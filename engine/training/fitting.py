"""Fitting exits to a frozen model, from the feature cache."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from engine.budget import BUDGET_GRID, Plan
from engine.deepening import EXACT, Calibration
from engine.encoder import Encoder, load_encoder
from engine.errors import EngineError
from engine.evaluation import recall
from engine.exits import FittedExits, as_stored, save_exits
from engine.guidance import content_distribution, divergence, statistics
from engine.tgem import ExitModules, first_exit
from engine.training.captions import gate_photos, read_captions
from engine.training.features import Features, cached
from engine.training.objective import caption_distortion, rate_distortion

STEPS = 800
RATE, WEIGHT_DECAY = 2e-3, 0.05
PRICES = (0.003, 30.0)  # lambda is drawn log-uniformly between these
DIVERGENCE_WEIGHT = 0.3
HIGHEST_LOG_PRICE = 20.0
RANKED_HIGH = 50  # photos of a query whose scores are calibrated: those that may come to stand on its first page
POOL = 3000  # other photos among which captions look for theirs
SEED = 2605


class NothingToFit(EngineError):
    """A photo set without the photos that gates are fitted on."""


@dataclass(frozen=True)
class Course:
    """One way through the ladder: which exits are asked, and what they see and cost on a set of photos."""

    open: tuple[int, ...]  # 0-based, ascending
    statistics: list[Tensor]  # of p_k at each open exit, (N, 5)
    cost_share: Tensor  # (len(open) + 1,) of each open exit and of full depth

    def logits(self, modules: ExitModules, pooled: Sequence[Tensor], log_price: Tensor) -> Tensor:
        """Gate logits of the open exits, (N, len(open)); log_price (N, 1) or (1, 1)."""
        pairs = zip(self.open, self.statistics, strict=True)
        return torch.cat([modules.gates[k](pooled[k], seen, log_price) for k, seen in pairs], 1)

    def exits(self, modules: ExitModules, pooled: Sequence[Tensor], log_price: float) -> Tensor:
        """Where photos leave at a price, (N,), counted among the open exits, full depth last."""
        return first_exit(self.logits(modules, pooled, torch.tensor([[log_price]])).sigmoid())


def courses(encoder: Encoder, features: Features) -> list[Course]:
    """The ways through the ladder: one pass over a smaller input and then the whole way, or exits along the depth.

    A pass costs more than its gate can win back when a second one follows, so no course has two of them.
    """
    depth = tuple(encoder.passes[-1].exits.values())[:-1]
    coarse = [(k,) for p in encoder.passes[:-1] for k in p.exits.values()]
    seen = [content_distribution(v, encoder.guides, encoder.backbone.sharpness) for v in features.vectors.unbind(1)]
    found = []
    for open in [*coarse, depth]:
        macs = encoder.exit_macs(open)
        before = [None, *(seen[k] for k in open)]
        found.append(
            Course(
                open,
                [statistics(seen[k], earlier) for k, earlier in zip(open, before, strict=False)],
                torch.tensor([macs[k] / encoder.full_macs for k in (*open, encoder.exits - 1)]),
            )
        )
    return [course for course in found if course.open]


def text_divergence(encoder: Encoder, features: Features) -> Tensor:
    """KL(p_K || p_k) at every exit in nats, (N, K)."""
    seen = [content_distribution(v, encoder.guides, encoder.backbone.sharpness) for v in features.vectors.unbind(1)]
    return torch.stack([divergence(seen[-1], p) for p in seen], 1)


def fit_gates(
    modules: ExitModules, pooled: Sequence[Tensor], ways: Sequence[Course], distortion: Tensor, seed: int = SEED
) -> ExitModules:
    """A copy of exit modules with gates trained on the rate-distortion loss; every photo and step draws a new lambda.

    Args:
        pooled: K - 1 of (N, F_k).  ways: courses that the gates must serve.  distortion: (N, K).
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
        loss = torch.zeros(())
        for way in ways:
            gates = way.logits(fitted, pooled, log_price).sigmoid()
            lost = distortion[:, [*way.open, -1]]
            loss = loss + rate_distortion(gates, lost, way.cost_share, log_price[:, 0].exp())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return fitted.eval().requires_grad_(False)


def calibrate(modules: ExitModules, pooled: Sequence[Tensor], way: Course) -> list[float | None]:
    """lambda for each budget of BUDGET_GRID: the price at which these photos' mean MACs share meets it.

    Gates are monotone in lambda, so bisection finds it. None where even the highest price does not meet the budget.
    """

    def share(log_price: float) -> float:
        return float(way.cost_share[way.exits(modules, pooled, log_price)].mean())

    prices: list[float | None] = []
    for budget in BUDGET_GRID:
        low, high = -HIGHEST_LOG_PRICE, HIGHEST_LOG_PRICE
        if share(high) > budget:
            prices.append(None)
            continue
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if share(middle) > budget else (low, middle)
        prices.append(float(torch.tensor(high).exp()))
    return prices


def choose_plans(modules: ExitModules, features: Features, ways: Sequence[Course]) -> list[Plan]:
    """For each budget of BUDGET_GRID the course that finds most within it, by the mean recall of these captions.

    A budget that no course meets gets the cheapest course at the highest price.
    """
    priced = [calibrate(modules, features.pooled, way) for way in ways]
    many, texts, owner = torch.arange(len(features.vectors)), features.texts.numpy(), features.owner.numpy()

    def quality(way: Course, price: float) -> float:
        chosen = torch.tensor([*way.open, features.vectors.shape[1] - 1])[
            way.exits(modules, features.pooled, float(torch.tensor(price).log()))
        ]
        found = recall(features.vectors[many, chosen].numpy(), texts, owner)
        return sum(found["t2i"].values())

    plans = []
    for column in range(len(BUDGET_GRID)):
        met = [(way, prices[column]) for way, prices in zip(ways, priced, strict=True)]
        able = [Plan(way.open, price) for way, price in met if price is not None]
        scores = [quality(way, price) for way, price in met if price is not None]
        if able:
            plans.append(able[scores.index(max(scores))])
        else:
            cheapest_way = min(ways, key=lambda way: float(way.cost_share[0]))
            plans.append(Plan(cheapest_way.open, float(torch.tensor(HIGHEST_LOG_PRICE).exp())))
    return plans


def fit_calibrations(features: Features) -> tuple[Calibration, ...]:
    """What a score at each exit foretells of the score at full depth, among the photos that a query ranks high."""
    final = features.texts @ features.vectors[:, -1].T  # (T, N)
    found = []
    for k in range(features.vectors.shape[1] - 1):
        scores, places = (features.texts @ features.vectors[:, k].T).topk(min(RANKED_HIGH, len(features.vectors)), 1)
        deep = final.gather(1, places)
        slope = float(((scores - scores.mean()) * (deep - deep.mean())).mean() / scores.var(correction=0))
        offset = float(deep.mean() - slope * scores.mean())
        found.append(Calibration(slope, offset, float((deep - slope * scores - offset).std(correction=0))))
    return (*found, EXACT)


def fit(data: Path, model: str | None = None, out: Path | None = None, say: Callable[[str], None] = print) -> None:
    """Fit the gates of a model's exits to a captioned set and choose how each budget is met.

    The gates are fitted on train photos that the readouts have not seen (readouts fit the photos they were trained on
    too well); courses and prices are chosen on val.

    Args:
        data: folder with `captions.jsonl` and `images`.
        model: its name; None is the embedded model. One without exits gets readouts first.
        out: where the exit weights are written; by default the model's folder.
    """
    encoder = load_encoder(model)
    folder = out or encoder.folder
    if not any(exit.channels for exit in encoder.modules.exits):  # readouts with branches were trained with the model
        from engine.training.adopting import fit_captions

        fit_captions(encoder, data, out, say)
        return
    examples = read_captions(data)
    held = [e for e in examples if e.path.name in gate_photos()]
    pool = [e for e in examples if e.split == "train" and e.path.name not in gate_photos()][:POOL]
    validation = [e for e in examples if e.split == "val"]
    if not held or not validation:
        raise NothingToFit(f"{data} has no photos of the list gate_photos.txt, or none in the split val.")
    cache = folder / "training"
    say(f"features of {len(held)} photos for the gates, {len(pool)} around them, and val's")
    photos = cached(cache / "features-gates", encoder, held, say)
    around = cached(cache / "features-around", encoder, pool, say)
    val = cached(cache / "features-val", encoder, validation, say)

    distortion = caption_distortion(
        photos.vectors, photos.texts, photos.owner, around.vectors, encoder.backbone.sharpness
    )
    # Where an early exit serves the captions better than full depth, that is luck of the draw and no reward.
    meaning = distortion.clamp_min(0) + DIVERGENCE_WEIGHT * text_divergence(encoder, photos)
    modules = fit_gates(encoder.modules, photos.pooled, courses(encoder, photos), meaning)
    stored = as_stored(modules)
    plans = choose_plans(stored, val, courses(encoder, val))
    for budget, plan in zip(BUDGET_GRID, plans, strict=True):
        say(f"budget {budget:.2f}: exits {', '.join(str(k + 1) for k in plan.open)}, lambda {plan.price:.4g}")
    save_exits(folder, FittedExits(modules, tuple(plans), fit_calibrations(photos)), encoder.identity.weights)
    say(f"exit weights written to {folder}")
