"""Fits gates to a frozen model from cached features, and chooses the exits and the price of each budget."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.exits.budget import BUDGET_GRID, Plan
from engine.exits.calibration import Calibration, rank_lines
from engine.exits.checkpoint import FittedExits, as_stored
from engine.exits.encoder import Encoder
from engine.exits.modules import SLOPE, ExitModules, Gate, first_exit
from engine.exits.text_bank import STATISTICS, content_distribution, divergence, statistics
from engine.training.dataset import gate_photos, read_captions
from engine.training.features import Features, cached
from engine.training.objective import caption_distortion, rate_distortion
from engine.training.query_gates import fit_calibrations, fit_query_gates
from engine.training.trainer import fit_one_cycle
from engine.utils.errors import EngineError

STEPS = 800
RATE = 2e-3
PRICES = (0.003, 30.0)  # lambda is drawn log-uniformly between these
DIVERGENCE_WEIGHT = 0.3
HIGHEST_LOG_PRICE = 20.0
ROUNDING = 1e-6  # of shares in float32
OVER = 0.01  # of the full encoder's MACs, which an exit may cost above a budget
APART_WEIGHT = 4.0
GRID_STEP = BUDGET_GRID[1] - BUDGET_GRID[0]
AT_ONCE = 1024  # photos of a step, where there are more
POOL = 1500  # other photos among which captions look for theirs
SEED = 2605


class NothingToFit(EngineError):
    """A photo set without the photos that gates are fitted on."""


@dataclass(frozen=True)
class Route:
    """One route through the ladder: which exits are asked, and what they see and cost on a set of photos."""

    open: tuple[int, ...]  # 0-based, ascending
    statistics: list[Tensor]  # of p_k at each open exit, (N, 5)
    cost_share: Tensor  # (len(open) + 1,) of each open exit and of full depth

    def logits(self, modules: ExitModules, pooled: Sequence[Tensor], log_price: Tensor) -> Tensor:
        """Gate logits of the open exits, (N, len(open)); log_price (N, 1) or (1, 1)."""
        pairs = zip(self.open, self.statistics, strict=True)
        return torch.cat([modules.gates[k](pooled[k], seen, log_price) for k, seen in pairs], 1)

    def of(self, rows: Tensor) -> "Route":
        """The same on some of the photos, (n,) numbers."""
        return replace(self, statistics=[seen[rows] for seen in self.statistics])

    def exits(self, modules: ExitModules, pooled: Sequence[Tensor], log_price: float) -> Tensor:
        """Where photos leave at a price, (N,), counted among the open exits, full depth last."""
        return first_exit(self.logits(modules, pooled, torch.tensor([[log_price]])).sigmoid())


def all_routes(encoder: Encoder, features: Features, blind: bool = False) -> list[Route]:
    """The routes through the ladder: exits of one pass before the whole one and then the whole one, or of that alone.

    Of a pass either all exits are asked, or those from one of them on. A pass costs more than its gate can win back
    when a second one follows, so no route has two of them before the whole one.

    Args: blind: all that p_k shows is 0.
    """
    exits = (tuple(k for k in p.exits.values() if k < encoder.exits - 1) for p in encoder.passes)
    seen = [content_distribution(v, encoder.guides, encoder.backbone.logit_scale) for v in features.vectors.unbind(1)]
    found = []
    for open in (of_pass[first:] for of_pass in exits for first in range(len(of_pass))):
        macs = encoder.exit_macs(open)
        before = [None, *(seen[k] for k in open)]
        found.append(
            Route(
                open,
                [statistics(seen[k], earlier) * (not blind) for k, earlier in zip(open, before, strict=False)],
                torch.tensor([macs[k] / encoder.full_macs for k in (*open, encoder.exits - 1)]),
            )
        )
    return found


def text_divergence(encoder: Encoder, features: Features) -> Tensor:
    """KL(p_K || p_k) at every exit in nats, (N, K)."""
    seen = [content_distribution(v, encoder.guides, encoder.backbone.logit_scale) for v in features.vectors.unbind(1)]
    return torch.stack([divergence(seen[-1], p) for p in seen], 1)


def fit_gates(
    modules: ExitModules, pooled: Sequence[Tensor], routes: Sequence[Route], distortion: Tensor, seed: int = SEED
) -> ExitModules:
    """A copy of exit modules with gates trained on the rate-distortion loss; every photo and step draws a new lambda.

    Args:
        pooled: K - 1 of (N, F_k).  routes: routes that the gates must serve.  distortion: (N, K).
    """
    torch.manual_seed(seed)
    fitted = ExitModules(modules.exits, modules.dim)
    fitted.branches.load_state_dict(modules.branches.state_dict())
    fitted.projections.load_state_dict(modules.projections.state_dict())
    fitted.scout = modules.scout
    low, high = torch.tensor(PRICES).log()
    many = len(distortion)

    def loss_of(_: int) -> Tensor:
        rows = torch.randperm(many)[:AT_ONCE] if many > AT_ONCE else torch.arange(many)
        seen, lost = [features[rows] for features in pooled], distortion[rows]
        log_price = low + (high - low) * torch.rand(len(rows), 1)
        loss = torch.zeros(())
        for route in routes:
            gates = route.of(rows).logits(fitted, seen, log_price).sigmoid()
            loss = loss + rate_distortion(gates, lost[:, [*route.open, -1]], route.cost_share, log_price[:, 0].exp())
        return loss

    fitted.gates.train()
    fit_one_cycle(fitted.gates, [{"params": [*fitted.gates.parameters()], "lr": RATE}], STEPS, loss_of)
    return fitted.eval().requires_grad_(False)


def calibrate(modules: ExitModules, pooled: Sequence[Tensor], route: Route) -> list[float | None]:
    """lambda for each budget of BUDGET_GRID: the price at which these photos' mean MACs share meets it.

    Gates are monotone in lambda, so bisection finds it. None where even the highest price does not meet the budget.
    """

    free = route.logits(modules, pooled, torch.zeros(1, 1))  # the price only adds to it

    def share(log_price: float) -> float:
        return float(route.cost_share[first_exit((free + SLOPE * log_price).sigmoid())].mean())

    prices: list[float | None] = []
    for budget in BUDGET_GRID:
        low, high = -HIGHEST_LOG_PRICE, HIGHEST_LOG_PRICE
        if share(high) > budget + ROUNDING:
            prices.append(None)
            continue
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if share(middle) > budget else (low, middle)
        prices.append(math.exp(high))
    return prices


def choose_plans(
    modules: ExitModules,
    features: Features,
    routes: Sequence[Route],
    calibrations: Sequence[Calibration],
    logit_scale: float,
    captioned: bool = True,
) -> list[Plan]:
    """For each budget of BUDGET_GRID the route that serves these captions best within it.

    A route is judged as gates are: by how likely a ranking of these photos makes each caption's own photo, and, with
    less weight, by how similar the likelihoods are to full depth's; without captions by the second alone. Recall
    depends on the ranks of a few photos, and cannot tell routes apart that are as close as these.

    A route may spend by its gates what its first exit leaves of the budget, or spare it where it is less than a step
    of the grid. A first exit that costs a hundredth more still meets it: what an exit costs is no choice, and the one
    before it may find far less. Where no such route is better than that of the budget before, that one
    serves this one too, and the rest is spared; but a budget of 1 asks for depth. A budget that no route meets gets
    the cheapest route at the highest price.
    """
    priced = [calibrate(modules, features.pooled, route) for route in routes]
    slopes, offsets = (torch.from_numpy(values).float() for values in rank_lines(calibrations, logit_scale))
    many, last = torch.arange(len(features.vectors)), features.vectors.shape[1] - 1
    final = (logit_scale * features.texts @ features.vectors[:, -1].T).softmax(1)

    @cache
    def quality(plan: Plan) -> float:
        route = next(route for route in routes if route.open == plan.open)
        chosen = torch.tensor([*route.open, last])[route.exits(modules, features.pooled, math.log(plan.price))]
        logits = logit_scale * (features.texts @ features.vectors[many, chosen].T * slopes[chosen] + offsets[chosen])
        lost = DIVERGENCE_WEIGHT * F.cross_entropy(logits, final)
        return -float(lost + F.cross_entropy(logits, features.owner) if captioned else lost)

    everyone = math.exp(HIGHEST_LOG_PRICE)  # leaves at the first exit asked
    plans: list[Plan] = []
    for column, budget in enumerate(BUDGET_GRID):
        met = [(route, prices[column]) for route, prices in zip(routes, priced, strict=True)]
        able = [Plan(route.open, price) for route, price in met if price is not None]
        able += [
            Plan(route.open, everyone) for route in routes if budget - GRID_STEP < route.cost_share[0] <= budget + OVER
        ]
        if able:
            sparing = plans[-1:] if column < len(BUDGET_GRID) - 1 else []
            plans.append(max([*sparing, *able], key=quality))
        else:
            cheapest = min(routes, key=lambda route: float(route.cost_share[0]))
            plans.append(Plan(cheapest.open, everyone))
    return plans


def fit_exits(
    encoder: Encoder,
    photos: Features,
    val: Features,
    loss: Tensor,
    seed: int,
    blind: bool = False,
    captioned: bool = True,
) -> FittedExits:
    """Gates, plans, calibrations and query gates of an encoder's exits.

    Args:
        photos: what gates are fitted on.  val: what routes and prices are chosen on.
        loss: (N, K) what leaving each photo at each exit costs in meaning.
        blind: gates see nothing of the guide texts.
        captioned: the photos' texts are captions, each true of its own photo before others.
    """
    modules = fit_gates(encoder.modules, photos.pooled, all_routes(encoder, photos, blind), loss, seed)
    if blind:
        for gate in modules.gates:
            assert isinstance(gate, Gate)
            gate.hidden.weight[:, -STATISTICS:] = 0
    calibrations, logit_scale = fit_calibrations(photos), encoder.logit_scale
    fit_query_gates(modules, photos, calibrations, encoder.guides, logit_scale, seed, captioned)
    stored = as_stored(modules)
    plans = choose_plans(stored, val, all_routes(encoder, val), calibrations, logit_scale, captioned)
    return FittedExits(stored, tuple(plans), calibrations)


def loss_by_captions(encoder: Encoder, photos: Features, around: Features) -> Tensor:
    """(N, K) What leaving early costs, measured by captions and by guide texts.

    Args: around: other photos among which captions look for theirs.
    """
    lost = caption_distortion(photos.vectors, photos.texts, photos.owner, around.vectors, encoder.backbone.logit_scale)
    # Where an early exit serves the captions better than full depth, that is chance, and earns no reward.
    return lost.clamp_min(0) + DIVERGENCE_WEIGHT * text_divergence(encoder, photos)


def loss_without_captions(encoder: Encoder, photos: Features) -> Tensor:
    """(N, K) What leaving early costs, measured by the distance to full depth's embedding and by guide texts."""
    apart = 1 - (photos.vectors * photos.vectors[:, -1:]).sum(-1)
    return APART_WEIGHT * apart + DIVERGENCE_WEIGHT * text_divergence(encoder, photos)


def gate_features(
    encoder: Encoder, data: Path, cache: Path, say: Callable[[str], None]
) -> tuple[Features, Features, Features]:
    """What exits see of the photos that gates are fitted on, of others around them, and of val.

    The first are train photos that the readouts have not seen: readouts fit the photos they were trained on too well.

    Args:
        data: folder with `captions.jsonl` and `images`.  cache: folder that features are kept in.
    Raises: DataMissing, NothingToFit.
    """
    examples = read_captions(data)
    held = [e for e in examples if e.path.name in gate_photos()]
    pool = [e for e in examples if e.split == "train" and e.path.name not in gate_photos()][:POOL]
    validation = [e for e in examples if e.split == "val"]
    if not held or not validation:
        raise NothingToFit(f"{data} has no photos of the list gate_photos.txt, or none in the split val.")
    say(f"features of {len(held)} photos for the gates, {len(pool)} around them, and val's")
    photos = cached(cache / "features-gates", encoder, held, say)
    around = cached(cache / "features-around", encoder, pool, say)
    return photos, around, cached(cache / "features-val", encoder, validation, say)
