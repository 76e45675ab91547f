"""What it changes that a gallery's owner says what people will look for, on a captioned set: subject by subject."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from engine.evaluation.query_simulation import IndexSimulation
from engine.exits.encoder import Encoder
from engine.search.metrics import at_ranks, own_ranks
from engine.training.features import Features

Row = dict[str, Any]
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


def looked_for(encoder: Encoder, features: Features, captions: Sequence[str], column: int, seed: int = 0) -> list[Row]:
    """What the captions that speak of a subject find where its owner has named it, subject by subject.

    Args:
        features: photos, and these captions as their texts.
        column: the budget's place on the grid.
    Returns: for each subject {"subject", "captions", "deeper": share of the photos that went deeper for it,
        "macs_share"}, and the recalls of an index as it would have been ("before"), as it is ("named"), with as many
        photos gone as deep at random ("random"), and at full depth ("full").
    """
    draw, found = np.random.default_rng(seed), []
    before = encoder.decide(features.trace)[1][:, column].numpy()
    for subject, rows in subjects_of(captions, encoder.guide_texts).items():
        guided = encoder.guided_by(encoder.guide_texts, (subject,))
        asked = replace(features, texts=features.texts[rows], owner=features.owner[rows])
        exits = guided.decide(features.trace)[1][:, column].numpy()
        share = np.array(guided.exit_macs(guided.plans[column].open))[exits].mean() / guided.full_macs
        moved = np.flatnonzero(exits != before)
        deals = []
        for _ in range(DEALS):
            dealt, others = before.copy(), draw.choice(len(before), len(moved), replace=False)
            dealt[others] = exits[moved]
            deals.append(_recalls(encoder, asked, dealt))
        found.append(
            {
                "subject": subject,
                "captions": len(rows),
                "deeper": round(len(moved) / len(before), 4),
                "macs_share": round(float(share), 4),
                "before": _recalls(encoder, asked, before),
                "named": _recalls(encoder, asked, exits),
                "random": {k: round(float(np.mean([deal[k] for deal in deals])), 2) for k in deals[0]},
                "full": _recalls(encoder, asked, np.full(len(before), encoder.exits - 1)),
            }
        )
    return found


def _recalls(encoder: Encoder, asked: Features, exits: np.ndarray) -> dict[str, float]:
    scores = IndexSimulation(encoder, asked, exits).first
    return {k: round(v, 2) for k, v in at_ranks(own_ranks(scores, asked.owner.numpy())).items()}
