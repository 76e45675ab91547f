"""Ways of deciding how deep each photo goes when it is indexed: ours, and the rivals it is measured against."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from engine.exits.encoder import Encoder
from engine.exits.text_bank import content_distribution
from engine.search.metrics import at_ranks, own_ranks
from engine.training.features import Features
from engine.training.objective import caption_distortion

RULES = ("saturation", "confidence", "patience")


@dataclass(frozen=True)
class Dealt:
    """Where each photo left, and what that cost."""

    exits: np.ndarray  # (N,) 0-based
    macs_share: float  # the mean


def tgem(encoder: Encoder, features: Features, column: int) -> Dealt:
    """The gates' own choice at a budget, by its place on the grid."""
    exits = encoder.decide(features.trace)[1][:, column].numpy()
    share = np.array(encoder.exit_macs(encoder.plans[column].open)) / encoder.full_macs
    return Dealt(exits, float(share[exits].mean()))


def oracle(encoder: Encoder, features: Features, budget: float) -> Dealt:
    """Knows each photo's captions, and leaves where they lose least for the price; no gate is asked or paid.

    lambda is found by bisection, so that the mean cost meets the budget.
    """
    nobody = features.vectors[:0]
    lost = caption_distortion(features.vectors, features.texts, features.owner, nobody, encoder.backbone.logit_scale)
    cost = torch.tensor(encoder.forced_macs) / encoder.full_macs

    def choose(price: float) -> Dealt:
        exits = (lost + price * cost).argmin(1)
        return Dealt(exits.numpy(), float(cost[exits].mean()))

    return _dearest_within(budget, lambda level: choose(float(np.exp(level))), -12.0, 12.0)


class Rule:
    """A rule of the literature: a photo leaves at the first exit where its clue reaches a threshold.

    "saturation": the embedding's cosine to the exit before.  "confidence": the peak of p_k.  "patience": for how many
    exits the top guide text has stayed. Readouts are paid, gates are not there to be. For each budget, course and
    threshold are those that find most on val within it; a budget that none meets gets the cheapest exit.
    """

    def __init__(self, name: str, encoder: Encoder, val: Features) -> None:
        self.name, self.encoder = name, encoder
        self._options: list[tuple[float, float, tuple[int, ...], float]] = []  # MACs share, recall, course, threshold
        scores = (val.texts @ val.vectors.transpose(1, 2)).transpose(0, 1).numpy()  # (T, N, K)
        owner = val.owner.numpy()
        for open in _sequences(encoder):
            clues, share = _clues(name, encoder, val, open), _share(encoder, open)
            for level in [*np.unique(np.quantile(clues, np.linspace(0, 1, 17))).tolist(), np.inf]:
                dealt = _by_clue(clues, open, share, level, encoder.exits)
                mixed = scores[:, np.arange(len(dealt.exits)), dealt.exits]
                found = sum(at_ranks(own_ranks(mixed, owner)).values())
                self._options.append((dealt.macs_share, found, open, level))

    def deal(self, features: Features, budget: float) -> Dealt:
        """Where photos leave at a budget."""
        able = [option for option in self._options if option[0] <= budget]
        if not able:
            return Dealt(
                np.zeros(len(features.vectors), np.int64), self.encoder.forced_macs[0] / self.encoder.full_macs
            )
        _, _, open, level = max(able, key=lambda option: option[1])
        clues = _clues(self.name, self.encoder, features, open)
        return _by_clue(clues, open, _share(self.encoder, open), level, self.encoder.exits)


def _sequences(encoder: Encoder) -> list[tuple[int, ...]]:
    """Courses that a rule may watch: each smaller pass before the whole one, the smaller passes in turn, the depth."""
    coarse = [k for p in encoder.passes[:-1] for k in p.exits.values()]
    depth = tuple(encoder.passes[-1].exits.values())[:-1]
    pairs = [(a, b) for a in coarse for b in coarse if a < b]
    return [open for open in (*((k,) for k in coarse), *pairs, depth) if open]


def _share(encoder: Encoder, open: tuple[int, ...]) -> np.ndarray:
    """(len(open) + 1,) MACs share at each open exit and at full depth, readouts and all passes on the way included."""
    forced, found, spent, last = encoder.forced_macs, [], 0, None
    for k in (*open, encoder.exits - 1):
        home = encoder.ladder.pass_of(k)
        if last is not None and home is not encoder.ladder.pass_of(last):
            spent += forced[last]
        found.append((spent + forced[k]) / encoder.full_macs)
        last = k
    return np.array(found)


def _clues(rule: str, encoder: Encoder, features: Features, open: tuple[int, ...]) -> np.ndarray:
    """(N, len(open)) What a rule compares with its threshold; the more, the sooner a photo leaves."""
    vectors = features.vectors[:, list(open)]
    if rule == "saturation":
        moved = (vectors[:, 1:] * vectors[:, :-1]).sum(-1)
        return np.hstack([np.full((len(vectors), 1), -2.0), moved.numpy()])
    seen = [content_distribution(v, encoder.guides, encoder.backbone.logit_scale) for v in vectors.unbind(1)]
    if rule == "confidence":
        return torch.stack([p.amax(-1) for p in seen], 1).numpy()
    tops = torch.stack([p.argmax(-1) for p in seen], 1)
    stayed = torch.zeros(tops.shape)
    for k in range(1, len(open)):
        stayed[:, k] = (stayed[:, k - 1] + 1) * (tops[:, k] == tops[:, k - 1])
    return stayed.numpy()


def _by_clue(clues: np.ndarray, open: tuple[int, ...], share: np.ndarray, level: float, exits: int) -> Dealt:
    left = np.hstack([clues >= level, np.ones((len(clues), 1), bool)]).argmax(1)
    return Dealt(np.array([*open, exits - 1])[left], float(share[left].mean()))


def _dearest_within(budget: float, deal: Callable[[float], Dealt], low: float, high: float) -> Dealt:
    """Bisection over a level that makes photos leave sooner as it rises."""
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if deal(middle).macs_share <= budget else (middle, high)
    return deal(high)
