"""Fits gates to a frozen model from cached features, by the rate-based objective with drift as what is lost.

Drift needs no caption: it is how far what the text bank's texts say of a photo still moves after exit k. So gates learn
from any photos that no image tower has seen.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from engine.exits.budget import log_prices, rate
from engine.exits.calibration import Calibration
from engine.exits.checkpoint import FittedExits, as_stored
from engine.exits.encoder import Encoder
from engine.exits.gate import Gate, exit_distribution, leaving
from engine.exits.modules import ExitModules
from engine.exits.text_bank import statistics
from engine.training.calibrate import affinities, fit_calibrations
from engine.training.features import Features
from engine.training.objective import caption_distortion, rate_distortion
from engine.training.trainer import fit_one_cycle

STEPS = 800
RATE, DECAY = 2e-3, 0.05
PRICES = (0.1, 10.0)  # lambda is drawn log-uniformly between these, in what the first exit loses in the mean
EVENLY = 20.0  # weight of every kind of photo costing as much as all do
SHARPER = 2.0  # times the logit scale that drift is measured at: the texts that fit best count most, as in a search
AT_ONCE = 1024  # photos of a step, where there are more
REFERENCE = 256  # photos kept to tell phrases by
SEED = 2605


@dataclass(frozen=True)
class GatePhotos:
    """Photos that no image tower saw, as gates see them."""

    features: Features
    statistics: list[Tensor]  # K - 1 of (N, STATISTICS), see `text_bank.statistics`
    kinds: Tensor  # (N,) which kind of photo each is of, from 0 on

    @classmethod
    def of(cls, encoder: Encoder, features: Features, kinds: Tensor | None = None) -> "GatePhotos":
        """Args: kinds: by default all are of one."""
        vectors = features.vectors
        found = []
        for k in range(vectors.shape[1] - 1):
            v, before = vectors[:, k], vectors[:, k - 1] if k else None
            found.append(statistics(v, before, encoder.bank.similarities(v), encoder.logit_scale))
        none = torch.zeros(len(vectors), dtype=torch.long)
        return cls(features, found, none if kinds is None else kinds)

    def leanings(self, modules: ExitModules, rows: Tensor) -> Tensor:
        """(n, K - 1) of some of them, (n,) numbers."""
        vectors = self.features.vectors[rows]
        seen = zip(self.features.seen, self.statistics, strict=True)
        return torch.stack(
            [cast(Gate, modules.gates[k])(vectors[:, k], x[rows], s[rows]) for k, (x, s) in enumerate(seen)], 1
        )


def drift(features: Features, bank: Tensor, logit_scale: float) -> Tensor:
    """KL(p_K || p_k) in nats: what each exit misses of full depth's distribution over the bank's texts.

    Args: bank: (T, D) embeddings of its texts.  logit_scale: what p multiplies cosines by, SHARPER left out.
    Returns: (N, K), 0 at full depth.
    """
    found = []
    for vectors in features.vectors.split(AT_ONCE // 4):
        likely = (SHARPER * logit_scale * (vectors @ bank.T)).log_softmax(-1)  # (n, K, T)
        full = likely[:, -1:]
        found.append((full.exp() * (full - likely)).sum(-1))
    return torch.cat(found).clamp_min(0)


def lost(features: Features, others: Features, bank: Tensor, logit_scale: float) -> Tensor:
    """d_k: what leaving each photo at each exit loses; (N, K), 1 in its mean at the first exit.

    Drift tells photos of one exit apart; how much an exit loses in all, texts tell: an exit may be far from full
    depth's embedding, and find nearly as much.

    Args: others: photos with texts that the text tower did not learn.
    """
    found = drift(features, bank, logit_scale)
    losses = caption_distortion(others.vectors, others.texts, others.owner, logit_scale)  # NaN: no text
    by_texts = losses.nanmean(0)
    wanted = by_texts.clamp_min(0) / by_texts[0].clamp_min(1e-6)  # (K,)
    return found / found.mean(0).clamp_min(1e-12) * wanted


def fit_gates(modules: ExitModules, photos: GatePhotos, losses: Tensor, cost_share: Tensor, seed: int) -> ExitModules:
    """A copy of exit modules with gates trained on sum_k q_k (d_k + lambda c_k); each photo and step draws a lambda.

    Args: losses: (N, K) d_k.  cost_share: (K,).
    """
    torch.manual_seed(seed)
    fitted = deepcopy(modules)
    for gate, seen, stats in zip(fitted.gates, photos.features.seen, photos.statistics, strict=True):
        fresh = Gate(photos.features.vectors.shape[-1] + seen.shape[1])
        fresh.center.copy_(stats.mean(0))
        fresh.spread.copy_(stats.std(0).clamp_min(1e-6))
        cast(Gate, gate).load_state_dict(fresh.state_dict())
    low, high = torch.tensor(PRICES).log()
    many, kinds = len(losses), int(photos.kinds.max()) + 1

    def loss_of(_: int) -> Tensor:
        rows = torch.randperm(many)[:AT_ONCE] if many > AT_ONCE else torch.arange(many)
        leanings = photos.leanings(fitted, rows)  # (n, K - 1)
        log_price = low + (high - low) * torch.rand(len(rows))
        loss = rate_distortion(leaving(leanings, log_price[:, None]), losses[rows], cost_share, log_price.exp())
        if kinds > 1:  # at one price for all, no kind of photo costs more than another
            price = low + (high - low) * torch.rand(())
            spent = rate(exit_distribution(leaving(leanings, price)), cost_share)
            means = torch.stack([spent[photos.kinds[rows] == kind].mean() for kind in range(kinds)])
            loss = loss + EVENLY * means.var(correction=0)
        return loss

    fitted.gates.requires_grad_(True).train()
    fit_one_cycle(fitted.gates, [{"params": [*fitted.gates.parameters()], "lr": RATE}], STEPS, loss_of, DECAY)
    return fitted.eval().requires_grad_(False)


def fit_exits(
    encoder: Encoder,
    photos: GatePhotos,
    prices_on: GatePhotos,
    affinity_weight: float,
    seed: int = SEED,
    blind: bool = False,
) -> FittedExits:
    """Gates, prices, calibrations and reference photos of an encoder's exits.

    Args:
        photos: what gates are fitted on.
        prices_on: others, on which is found what each exit loses in all, and the prices of budgets.
        affinity_weight: see `CandidateScorer`.
        blind: gates see nothing of the text bank.
    """
    shares = torch.tensor(encoder.exit_macs) / encoder.full_macs
    losses = lost(photos.features, prices_on.features, encoder.bank.vectors, encoder.logit_scale)
    seen_as = photos if not blind else GatePhotos(photos.features, [0 * s for s in photos.statistics], photos.kinds)
    modules = fit_gates(encoder.modules, seen_as, losses, shares, seed)
    if blind:
        for gate in modules.gates:
            cast(Gate, gate).hidden.weight[:, -photos.statistics[0].shape[1] :] = 0
    stored = as_stored(modules)
    with torch.no_grad():
        leanings = prices_on.leanings(stored, torch.arange(len(prices_on.kinds)))
    some = torch.linspace(0, len(leanings) - 1, min(REFERENCE, len(leanings))).long()
    return FittedExits(
        stored,
        tuple(log_prices(leanings, shares)),
        calibrations_of(encoder, [photos.features, prices_on.features], affinity_weight),
        affinity_weight,
        float(encoder.bank.affinity(prices_on.features.vectors[:, -1]).mean()),
        prices_on.features.vectors[some, :-1],
        encoder.bank.embeddings.captions,
    )


def calibrations_of(encoder: Encoder, sets: Sequence[Features], affinity_weight: float) -> tuple[Calibration, ...]:
    """Calibrations on the photos and the texts of all sets together."""
    vectors, texts = torch.cat([f.vectors for f in sets]), torch.cat([f.texts for f in sets])
    return fit_calibrations(vectors, texts, affinities(encoder.bank, vectors), affinity_weight)
