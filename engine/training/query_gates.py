"""Fits the candidate scorer: calibrations of the scores at every exit, and query gates."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from engine.exits.calibration import EXACT, Calibration
from engine.exits.modules import ExitModules
from engine.exits.query_gate import Described, QueryGate, described, missed, surprise
from engine.exits.scorer import CORRECTED, corrections
from engine.training.features import Features
from engine.training.trainer import fit_one_cycle

STEPS, QUERIES = 500, 128  # of fitting one gate, and the queries of each
RATE = 3e-3
ASKED_WEIGHT = 0.3  # of finding the one asked for; chosen on val among 0, 0.3, 1 and 3


def fit_calibrations(features: Features) -> tuple[Calibration, ...]:
    """Fit each exit's calibration among the photos that a query ranks high."""
    found = []
    for k in range(features.vectors.shape[1] - 1):
        scores, _, deep = candidates(features, k)
        slope = float(((scores - scores.mean()) * (deep - deep.mean())).mean() / scores.var(correction=0))
        offset = float(deep.mean() - slope * scores.mean())
        found.append(Calibration(slope, offset, float((deep - slope * scores - offset).std(correction=0))))
    return (*found, EXACT)


def candidates(features: Features, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """The photos that each text ranks high by exit k: scores there, numbers, and scores at full depth.

    Returns: (T, M) each.
    """
    scores, places = (features.texts @ features.vectors[:, k].T).topk(min(CORRECTED, len(features.vectors)), 1)
    return scores, places, (features.texts @ features.vectors[:, -1].T).gather(1, places)


def fit_query_gates(
    modules: ExitModules,
    features: Features,
    told: Sequence[Calibration],
    guides: Tensor,
    logit_scale: float,
    seed: int,
    captioned: bool = True,
) -> None:
    """Train, in place, each exit's query gate; the texts are the queries.

    Corrected estimates are to predict full-depth scores and, where texts are captions, make their own photos likely.
    """
    torch.manual_seed(seed)
    asked = described(features.texts, guides, logit_scale)

    def fit(k: int) -> None:
        gate = cast(QueryGate, modules.query_gates[k])
        scores, places, deep = candidates(features, k)
        expected = told[k].slope * scores + told[k].offset
        photos = described(features.vectors[:, k], guides, logit_scale)
        own = places == features.owner[:, None]  # (T, M)

        def loss_of(_: int) -> Tensor:
            rows = torch.randint(0, len(scores), (QUERIES,))
            shift, factor = corrections(
                modules.query_gates,
                expected[rows],
                torch.full_like(places[rows], k),
                features.texts[rows],
                Described(asked.shape[rows], asked.meaning[rows]),
                Described(photos.shape[places[rows]], photos.meaning[places[rows]]),
            )
            loss = surprise(shift, factor, expected[rows], told[k].deviation, deep[rows])
            if captioned:
                lost = missed(expected[rows] + shift, told[k].deviation * factor, own[rows], logit_scale)
                loss = loss + ASKED_WEIGHT * lost
            return loss

        gate.train().requires_grad_(True)
        fit_one_cycle(gate, [{"params": [*gate.parameters()], "lr": RATE}], STEPS, loss_of)
        gate.eval().requires_grad_(False)

    for k in range(len(modules.query_gates)):
        fit(k)
