"""Measures what exits give on photos that nothing was fitted on: fidelity for cost, and speed beside the bare model."""

from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

import numpy as np

from engine.exits.budget import nearest_budget
from engine.exits.certificate import BudgetRow, Certificate, Fidelity, advice_of
from engine.exits.encoder import Encoder
from engine.search.metrics import PAGE, best, overlap
from engine.training.calibrate import affinities
from engine.training.dataset import Example
from engine.training.features import Features, first_pixels
from engine.utils.turns import seconds_in_turns

BUDGETS = (0.2, 0.3, 0.4, 0.6, 0.8, 1.0)
TIMED, ROUNDS = 32, 3  # photos, and how often each way runs them after once to warm up


def certify(encoder: Encoder, features: Features, examples: Sequence[Example]) -> Certificate:
    """What an encoder's exits give on photos that nothing was fitted on.

    Args: features: of the photos, as the encoder's own readouts read them.
    Raises: ImageRejected where none of the photos can be read.
    """
    budgets = BUDGETS if encoder.exits > 1 else (1.0,)
    exits = encoder.decide(features.trace).numpy()
    columns = [exits[:, nearest_budget(budget)] for budget in budgets]
    shares = encoder.ladder.shares
    bare, *speeds = _speeds(encoder, first_pixels(encoder, examples, TIMED), budgets)
    rows = tuple(
        BudgetRow(budget, round(float(shares[chosen].mean()), 4), found, round(speed, 2))
        for budget, chosen, found, speed in zip(
            budgets, columns, fidelities(encoder, features, columns), speeds, strict=True
        )
    )
    advice = advice_of(rows, sum(encoder.backbone.stage_macs) / encoder.full_macs)
    return Certificate(encoder.identity.model, len(features.vectors), rows, round(bare, 2), advice)


def lines_of(certificate: Certificate) -> list[str]:
    """A certificate for a person."""
    rows = [
        f"{row.budget:6.2f}   {row.macs_share:4.0%}   {row.fidelity.label:5.1f}   {row.fidelity.top10:5.1f}   "
        f"{row.images_per_s:8.1f}"
        for row in certificate.budgets
    ]
    head = (
        f"on {certificate.photos} photos that nothing was fitted on; bare: {certificate.bare_images_per_s:.1f} images/s"
    )
    return [head, "budget   MACs   label   top10   images/s", *rows, certificate.advice]


def fidelities(encoder: Encoder, features: Features, columns: Sequence[np.ndarray]) -> list[Fidelity]:
    """The fidelity of photos that left at these exits, (N,) 0-based each; ranked as a search does.

    Where photos are few the first fifth of a ranking stands for its first ten.
    """
    vectors, rows = features.vectors.numpy(), np.arange(len(features.vectors))
    fits = affinities(encoder.bank, features.vectors).numpy()
    texts, queries = encoder.bank.vectors.numpy(), encoder.bank.background.numpy()
    many = min(PAGE, max(1, len(rows) // 5))

    def answers(chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = vectors[rows, chosen]
        estimate = encoder.scorer.estimate(queries @ found.T, chosen, fits[rows, chosen])
        return (found @ texts.T).argmax(1), best(encoder.scorer.rank_scores(estimate), many)

    labels, pages = answers(np.full(len(rows), encoder.exits - 1))
    found = []
    for chosen in columns:
        label, ranked = answers(chosen)
        same = float((label == labels).mean()) * 100
        found.append(Fidelity(round(same, 1), round(overlap(ranked, pages) * 100, 1)))
    return found


def _speeds(encoder: Encoder, pixels: np.ndarray, budgets: Sequence[float]) -> list[float]:
    """Photos a second of the bare model and at each budget, in rounds that take turns; the median of each counts."""
    ways: list[Callable[[], object]] = [partial(encoder.backbone.encode_image, pixels)]
    ways += [partial(encoder.encode, pixels, budget) for budget in budgets]
    return [len(pixels) / median(taken) for taken in seconds_in_turns(ways, ROUNDS)]
