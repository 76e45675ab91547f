"""Policies that decide how deep each photo goes when it is indexed: ours, and those it is compared with."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import torch

from engine.evaluation.captioned_set import CaptionedSet
from engine.exits.budget import BUDGET_GRID
from engine.exits.encoder import Encoder
from engine.exits.text_bank import content_distribution
from engine.search.metrics import own_ranks, recall_at
from engine.training.features import Features
from engine.training.objective import caption_distortion

THRESHOLDS = 17  # quantiles of a clue that a rule may choose from, besides never leaving early


@dataclass(frozen=True)
class Dealt:
    """Where each photo left, and what that cost."""

    exits: np.ndarray  # (N,) 0-based
    macs_share: float  # the mean


def tgem(encoder: Encoder, features: Features, budget: float) -> Dealt:
    """What the gates choose at a budget of the grid."""
    column = BUDGET_GRID.index(budget)
    exits = encoder.decide(features.trace)[1][:, column].numpy()
    share = np.array(encoder.exit_macs(encoder.plans[column].open)) / encoder.full_macs
    return Dealt(exits, float(share[exits].mean()))


def oracle(case: CaptionedSet, budget: float) -> Dealt:
    """Knows each photo's captions, and leaves where they lose least for the price; no gate is asked or paid.

    lambda is found by bisection, so that the mean cost meets the budget.
    """
    features, nobody = case.features, case.features.vectors[:0]
    lost = caption_distortion(features.vectors, features.texts, features.owner, nobody, case.encoder.logit_scale)
    cost = torch.tensor(case.encoder.forced_macs) / case.encoder.full_macs

    def choose(log_price: float) -> Dealt:
        exits = (lost + float(np.exp(log_price)) * cost).argmin(1)
        return Dealt(exits.numpy(), float(cost[exits].mean()))

    low, high = -12.0, 12.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if choose(middle).macs_share <= budget else (middle, high)
    return choose(high)


def saturation(encoder: Encoder, features: Features, route: tuple[int, ...]) -> np.ndarray:
    """Clue: the embedding's cosine to the exit before; the first exit of a route has none. (N, len(route))."""
    vectors = features.vectors[:, list(route)]
    moved = (vectors[:, 1:] * vectors[:, :-1]).sum(-1)
    return np.hstack([np.full((len(vectors), 1), -2.0), moved.numpy()])


def confidence(encoder: Encoder, features: Features, route: tuple[int, ...]) -> np.ndarray:
    """Clue: the peak of p_k over the guide texts. (N, len(route))."""
    return np.stack([_over_guides(encoder, features, k).amax(-1).numpy() for k in route], 1)


def patience(encoder: Encoder, features: Features, route: tuple[int, ...]) -> np.ndarray:
    """Clue: for how many exits the best guide text has stayed the same. (N, len(route))."""
    tops = np.stack([_over_guides(encoder, features, k).argmax(-1).numpy() for k in route], 1)
    stayed = np.zeros(tops.shape, np.float32)
    for k in range(1, len(route)):
        stayed[:, k] = (stayed[:, k - 1] + 1) * (tops[:, k] == tops[:, k - 1])
    return stayed


Clue = Callable[[Encoder, Features, tuple[int, ...]], np.ndarray]  # the greater, the sooner a photo leaves


def by_rule(clue: Clue, case: CaptionedSet, budget: float) -> Dealt:
    """A rule of the literature: a photo leaves at the first exit where its clue reaches a threshold.

    Readouts are paid; there are no gates. For each budget, route and threshold are those that find most on val within
    it; a budget that none meets gets the cheapest exit.
    """
    able = [option for option in _tuned(clue, case) if option.macs_share <= budget]
    if not able:
        return Dealt(np.zeros(len(case.full), np.int64), float(case.shares[0]))
    best = max(able, key=lambda option: option.recall)
    return _leave(clue(case.encoder, case.features, best.route), best.route, best.threshold, case.encoder)


# How a policy deals exits to photos at a budget.
Policy = Callable[[CaptionedSet, float], Dealt]
BUDGETED: dict[str, Policy] = {
    "saturation": partial(by_rule, saturation),
    "confidence": partial(by_rule, confidence),
    "patience": partial(by_rule, patience),
    "oracle": oracle,
}


@dataclass(frozen=True)
class _Option:
    """A rule with a route and a threshold, as it does on val."""

    macs_share: float
    recall: float
    route: tuple[int, ...]  # exits that are asked, 0-based
    threshold: float


@lru_cache(maxsize=8)
def _tuned(clue: Clue, case: CaptionedSet) -> list[_Option]:
    options, encoder, val = [], case.encoder, case.val
    scores = (val.texts @ val.vectors.transpose(1, 2)).transpose(0, 1).numpy()  # (T, N, K)
    owner = val.owner.numpy()
    for route in _routes(encoder):
        clues = clue(encoder, val, route)
        for threshold in [*np.unique(np.quantile(clues, np.linspace(0, 1, THRESHOLDS))).tolist(), np.inf]:
            dealt = _leave(clues, route, threshold, encoder)
            mixed = scores[:, np.arange(len(dealt.exits)), dealt.exits]
            found = sum(recall_at(own_ranks(mixed, owner)).values())
            options.append(_Option(dealt.macs_share, found, route, threshold))
    return options


def _routes(encoder: Encoder) -> list[tuple[int, ...]]:
    """Exits that a rule may ask: each smaller pass before the whole one, two smaller passes in turn, the depth."""
    smaller = [k for p in encoder.passes[:-1] for k in p.exits.values()]
    depth = tuple(encoder.passes[-1].exits.values())[:-1]
    pairs = [(a, b) for a in smaller for b in smaller if a < b]
    return [route for route in (*((k,) for k in smaller), *pairs, depth) if route]


def _leave(clues: np.ndarray, route: tuple[int, ...], threshold: float, encoder: Encoder) -> Dealt:
    """Photos leave where their clues (N, len(route)) first reach the threshold, or at full depth."""
    left = np.hstack([clues >= threshold, np.ones((len(clues), 1), bool)]).argmax(1)
    return Dealt(np.array([*route, encoder.exits - 1])[left], float(_route_shares(encoder, route)[left].mean()))


def _route_shares(encoder: Encoder, route: tuple[int, ...]) -> np.ndarray:
    """(len(route) + 1,) MACs share at each exit of a route and at full depth, all passes on the way included."""
    forced, shares, spent, last = encoder.forced_macs, [], 0, None
    for k in (*route, encoder.exits - 1):
        if last is not None and encoder.ladder.pass_of(k) is not encoder.ladder.pass_of(last):
            spent += forced[last]
        shares.append((spent + forced[k]) / encoder.full_macs)
        last = k
    return np.array(shares)


def _over_guides(encoder: Encoder, features: Features, k: int) -> torch.Tensor:
    """(N, G) p_k."""
    return content_distribution(features.vectors[:, k], encoder.guides, encoder.logit_scale)
