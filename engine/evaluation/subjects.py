"""How much gates gain by knowing what people will look for: a subject of captions, or the labels of a set."""

import re
from collections.abc import Sequence

import numpy as np

from engine.evaluation import Row
from engine.evaluation.photo_set import RANKS, PhotoSet
from engine.evaluation.policies import within
from engine.exits.budget import BUDGET_GRID, SLOPE
from engine.search.metrics import own_ranks, paired_difference

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
    """What captions find whose subject a gallery's owner has named, all subjects together, and what they find else.

    Returns: {"gates", "captions", "macs_share", "r1", "r5", "r10", "more", "error"} for gates that know it, for
        the same exits at random, general gates and full depth; "more" is how many more captions in a hundred gates that
        know it find among their first ten, with the paired standard error by photo.
    """
    draw, column = np.random.default_rng(0), BUDGET_GRID.index(NAMED_AT)
    parts: dict[str, list[np.ndarray]] = {}  # (n, 3) of each subject: which of its captions find their photo
    costs: dict[str, list[np.ndarray]] = {}  # (n,) what photos cost in the mean, for each of its captions
    owners: list[np.ndarray] = []
    for subject, asked in subjects_of(photos.texts, photos.encoder.bank.texts).items():
        known = photos.encoder.looking_for((subject,))
        exits = known.decide(photos.features.trace)[:, column].numpy()

        def found(exits: np.ndarray, asked: np.ndarray = asked) -> np.ndarray:
            ranks = own_ranks(photos.scores(exits)[asked], photos.owner[asked])
            return np.stack([ranks < k for k in RANKS.values()], 1).astype(float)

        own, general = np.array(known.exit_macs)[exits] / photos.encoder.full_macs, photos.decided[:, column]
        indexes = {
            "know the subject": (found(exits), own),
            "the same, dealt at random": (np.mean([found(draw.permutation(exits)) for _ in range(DEALS)], 0), own),
            "general": (found(general), photos.shares[general]),
            "full depth": (found(photos.full), photos.shares[photos.full]),
        }
        for name, (which, cost) in indexes.items():
            parts.setdefault(name, []).append(which)
            costs.setdefault(name, []).append(np.full(len(asked), cost.mean()))
        owners.append(photos.owner[asked])
    rows = []
    for name, each in parts.items():
        which, first = np.concatenate(each), np.concatenate(next(iter(parts.values())))
        more, error = paired_difference(first[:, -1], which[:, -1], np.concatenate(owners))
        recalls = dict(zip(RANKS, which.mean(0) * 100, strict=True)) | {"more": more, "error": error}
        about = {
            "gates": name,
            "captions": len(which),
            "macs_share": round(float(np.concatenate(costs[name]).mean()), 4),
        }
        rows.append(about | {key: round(float(value), 2) for key, value in recalls.items()})
    return rows


def known_labels(photos: PhotoSet) -> list[Row]:
    """How often photos get full depth's label among labels that an owner has named, and by general gates for the cost.

    The labels are dealt into groups; the photos of each are one gallery, whose labels are known.

    Returns: for each number of labels and budget {"labels", "budget", "photos", "macs_share"}, and in per cent "named",
        "general", and "more", their difference, with its paired standard error by label.
    """
    assert photos.labels is not None
    order, rows = np.random.default_rng(0).permutation(len(photos.queries)), []
    for many in KNOWN:
        groups = [order[start : start + many] for start in range(0, len(order) - many + 1, many)]
        found = [_group(photos, labels) for labels in groups]
        for place, budget in enumerate(BUDGETS) if found else ():
            named, general, costs, own = (np.concatenate([group[place][i] for group in found]) for i in range(4))
            more, error = paired_difference(named, general, own)
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
    same cost, give it full depth's label, what it cost, and its own label.
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
        found.append((*same, costs, photos.labels[rows]))
    return found
