"""How much better a subject is found once a gallery's owner has named it, on a captioned set."""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.evaluation import Row
from engine.evaluation.baselines import tgem
from engine.evaluation.query_simulation import IndexSimulation
from engine.exits.encoder import Encoder
from engine.search.metrics import own_ranks, recall_at
from engine.training.features import Features

SUBJECTS = 24
COMMONEST = 0.2  # share of the captions above which a word is no subject of its own
DEALS = 20  # of as many photos at random


def subjects_of(captions: Sequence[str], guide_texts: Sequence[str]) -> dict[str, np.ndarray]:
    """The guide texts of one word, article aside, that most captions hold, and which captions; the commonest first."""
    words = [set(re.findall(r"[a-z]+", caption.lower())) for caption in captions]
    found = {}
    for text in guide_texts:
        word = re.sub(r"^(a|an|the) ", "", text)
        rows = np.flatnonzero([bool({word, f"{word}s"} & those) for those in words])
        if word.isalpha() and 0 < len(rows) <= COMMONEST * len(captions):
            found[text] = rows
    return dict(sorted(found.items(), key=lambda item: -len(item[1]))[:SUBJECTS])


def looked_for(encoder: Encoder, features: Features, captions: Sequence[str], budget: float) -> list[Row]:
    """What the captions of a subject find before and after its owner has named it, subject by subject.

    Args:
        features: photos, and these captions as their texts.
        budget: of BUDGET_GRID.
    Returns: for each subject {"subject", "captions", "deeper": share of the photos that went deeper for it,
        "macs_share"}, and the recalls of the index without the subject ("before"), with it ("named"), with as many
        random photos gone as deep ("random"), and at full depth ("full").
    """
    draw, rows = np.random.default_rng(0), []
    before = tgem(encoder, features, budget).exits
    for subject, of_subject in subjects_of(captions, encoder.guide_texts).items():
        asked = replace(features, texts=features.texts[of_subject], owner=features.owner[of_subject])
        named = tgem(encoder.guided_by(encoder.guide_texts, (subject,)), features, budget)
        moved = np.flatnonzero(named.exits != before)
        deals = []
        for _ in range(DEALS):
            exits = before.copy()
            exits[draw.choice(len(before), len(moved), replace=False)] = named.exits[moved]
            deals.append(_recalls(encoder, asked, exits))
        rows.append(
            {
                "subject": subject,
                "captions": len(of_subject),
                "deeper": round(len(moved) / len(before), 4),
                "macs_share": round(named.macs_share, 4),
                "before": _recalls(encoder, asked, before),
                "named": _recalls(encoder, asked, named.exits),
                "random": {k: round(float(np.mean([deal[k] for deal in deals])), 2) for k in deals[0]},
                "full": _recalls(encoder, asked, np.full(len(before), encoder.exits - 1)),
            }
        )
    return rows


def _recalls(encoder: Encoder, asked: Features, exits: np.ndarray) -> dict[str, float]:
    scores = IndexSimulation(encoder, asked, exits).first
    return {k: round(v, 2) for k, v in recall_at(own_ranks(scores, asked.owner.numpy())).items()}
