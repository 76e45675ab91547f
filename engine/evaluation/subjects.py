"""How much gates gain by knowing what people will look for: a subject of captions, or the labels of a set."""

import re
from collections.abc import Sequence

import numpy as np

from engine.evaluation import Row
from engine.evaluation.photo_set import RANKS, PhotoSet
from engine.evaluation.policies import within
from engine.exits.budget import BUDGET_GRID, SLOPE
from engine.search.metrics import own_ranks, paired_difference, recall_at

SUBJECTS = 24
COMMONEST = 0.2  # share of the captions above which a word is no subject of its own
DEALS = 20  # of the same exits at random
KNOWN = (20, 100)  # labels that are known at once
BUDGETS = (0.3, 0.4, 0.6)
NAMED_AT = 0.4  # the budget that gates with a named subject are measured at


def subjects_of(captions: Sequence[str], texts: Sequence[str]) -> dict[str, np.ndarray]:
    """The texts of one word, article aside, that most captions hold, and which captions; the commonest first."""
    words = [set(re.findall(r"[a-z]+", caption.lower())) for caption in captions]
    found = {}
    for text in texts:
        word = re.sub(r"^(a|an|the) ", "", text)
        if not word.isalpha():
            continue
        rows = np.flatnonzero([word in those or f"{word}s" in those for those in words])
        if 0 < len(rows) <= COMMONEST * len(captions):
            found[text] = rows
    return dict(sorted(found.items(), key=lambda item: -len(item[1]))[:SUBJECTS])


def named_subjects(photos: PhotoSet) -> list[Row]:
    """What the captions of a subject find before and after a gallery's owner has named it, subject by subject.

    Returns: for each {"subject", "captions", "macs_share"}, and the recalls of the index by general gates ("before"),
        by gates that know the subject ("named"), by their exits dealt at random ("random"), and at full depth.
    """
    draw, rows, column = np.random.default_rng(0), [], BUDGET_GRID.index(NAMED_AT)
    for subject, asked in subjects_of(photos.texts, photos.encoder.bank.texts).items():
        known = photos.encoder.looking_for((subject,))
        exits = known.decide(photos.features.trace)[:, column].numpy()

        def recalls(exits: np.ndarray, asked: np.ndarray = asked) -> dict[str, float]:
            return recall_at(own_ranks(photos.scores(exits)[asked], photos.owner[asked]))

        deals = [recalls(draw.permutation(exits)) for _ in range(DEALS)]
        indexes = {
            "before": recalls(photos.decided[:, column]),
            "named": recalls(exits),
            "random": {name: float(np.mean([deal[name] for deal in deals])) for name in RANKS},
            "full": recalls(photos.full),
        }
        cost = np.array(known.exit_macs)[exits].mean() / photos.encoder.full_macs
        rows.append(
            {"subject": subject, "captions": len(asked), "macs_share": round(float(cost), 4)}
            | {way: {name: round(value, 2) for name, value in found.items()} for way, found in indexes.items()}
        )
    return rows


def known_labels(photos: PhotoSet) -> list[Row]:
    """How often photos get full depth's label among labels that an owner has named, and by general gates for the cost.

    The labels are dealt into groups; the photos of each are one gallery, whose labels are known.

    Returns: for each number of labels and budget {"labels", "budget", "photos", "macs_share"}, and in per cent "named",
        "general", and "more", their difference, with its paired standard error by photo.
    """
    assert photos.labels is not None
    order, rows = np.random.default_rng(0).permutation(len(photos.queries)), []
    for many in KNOWN:
        groups = [order[start : start + many] for start in range(0, len(order) - many + 1, many)]
        found = [_group(photos, labels) for labels in groups]
        for place, budget in enumerate(BUDGETS) if found else ():
            named, general, costs = (np.concatenate([group[place][i] for group in found]) for i in range(3))
            more, error = paired_difference(named, general, np.arange(len(named)))
            measured = {"named": named.mean() * 100, "general": general.mean() * 100, "more": more, "error": error}
            about = {
                "labels": many,
                "budget": budget,
                "photos": len(named),
                "macs_share": round(float(costs.mean()), 4),
            }
            rows.append(about | {name: round(float(value), 2) for name, value in measured.items()})
    return rows


def _group(photos: PhotoSet, labels: np.ndarray) -> list[tuple[np.ndarray, ...]]:
    """For each budget and photo of some labels, (L,) numbers: whether gates that know them, and general gates at the
    same cost, give it full depth's label, and what it cost.
    """
    assert photos.labels is not None
    encoder, texts = photos.encoder, photos.queries[labels]
    rows = np.flatnonzero(np.isin(photos.labels, labels))
    said = (photos.vectors[rows] @ texts.T).argmax(2)  # (n, K)
    named = encoder.looking_for([photos.texts[label] for label in labels])
    decided = named.decide(photos.features.trace)[rows].numpy()
    asks = -encoder.leanings(photos.features.trace)[rows].numpy() / SLOPE
    found = []
    for budget in BUDGETS:
        exits = decided[:, BUDGET_GRID.index(budget)]
        costs = np.array(named.exit_macs)[exits] / encoder.full_macs
        general = within(asks, photos.shares, float(costs.mean()))
        same = (said[np.arange(len(rows)), which] == said[:, -1] for which in (exits, general))
        found.append((*same, costs))
    return found
