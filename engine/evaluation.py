"""Retrieval quality against compute: recall, and policies side by side."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from engine.budget import BUDGET_GRID
from engine.encoder import Encoder, load_encoder
from engine.training.captions import DataMissing, read_captions
from engine.training.features import Features, collect

Row = dict[str, Any]


def recall(images: np.ndarray, texts: np.ndarray, owner: np.ndarray) -> dict[str, dict[str, float]]:
    """Recall@1/5/10 in per cent, texts finding images ("t2i") and images finding any of their texts ("i2t").

    Args:
        images: (N, D) unit-length vectors.  texts: (T, D) likewise.  owner: (T,) the image each text describes.
    Returns: {"t2i": {"r1", "r5", "r10"}, "i2t": {...}}. Equal scores count against the right answer.
    """
    scores = texts @ images.T  # (T, N)
    own = scores[np.arange(len(texts)), owner]
    text_ranks = (scores >= own[:, None]).sum(1) - 1
    image_ranks = np.full(len(images), len(texts))
    for image in range(len(images)):
        mine = owner == image
        best = scores[mine, image].max()
        image_ranks[image] = (scores[~mine, image] >= best).sum()
    return {
        way: {f"r{k}": float((ranks < k).mean() * 100) for k in (1, 5, 10)}
        for way, ranks in (("t2i", text_ranks), ("i2t", image_ranks))
    }


def policies(encoder: Encoder, features: Features, deals: int = 20) -> list[Row]:
    """Rows of recall against compute for full depth, every fixed exit, the gates and random exits.

    "random" deals the very exits that the gates chose at a budget to photos at random, so that it costs exactly the
    same: what is left of the difference is the choice of photos. Recall is the mean over the deals.
    """
    vectors, texts, owner = features.vectors.numpy(), features.texts.numpy(), features.owner.numpy()
    many, last = len(vectors), encoder.exits - 1
    _, exits = encoder.decide(features.trace)

    def row(policy: str, setting: float, macs_share: float, chosen: np.ndarray) -> Row:
        found = recall(vectors[np.arange(many), chosen], texts, owner)
        return {"policy": policy, "setting": setting, "macs_share": macs_share, **found}

    rows = [row("full", encoder.exits, 1.0, np.full(many, last))]
    for k in range(last):
        rows.append(row("exit", k + 1, encoder.forced_macs[k] / encoder.full_macs, np.full(many, k)))
    for column, budget in enumerate(BUDGET_GRID):
        chosen = exits[:, column].numpy()
        share = np.array(encoder.exit_macs(encoder.plans[column].open)) / encoder.full_macs
        rows.append(row("tgem", budget, float(share[chosen].mean()), chosen))
        shuffle = np.random.default_rng(column)
        dealt = [row("random", budget, float(share[chosen].mean()), shuffle.permutation(chosen)) for _ in range(deals)]
        mean = {way: {k: float(np.mean([d[way][k] for d in dealt])) for k in dealt[0][way]} for way in ("t2i", "i2t")}
        rows.append(dealt[0] | mean)
    return [_rounded(r) for r in rows]


def _rounded(row: Row) -> Row:
    ways = {way: {k: round(v, 2) for k, v in row[way].items()} for way in ("t2i", "i2t")}
    return row | {"macs_share": round(row["macs_share"], 4)} | ways


def evaluate(
    data: Path, split: str = "test", model: str | None = None, say: Callable[[str], None] = lambda line: None
) -> Row:
    """Retrieval on a captioned set, as the machine-readable table that `evaluate --json` prints; trains nothing.

    Args:
        data: folder with `captions.jsonl` and `images`.  split: which part of it.  model: as in `load_encoder`.
    Raises: DataMissing, ModelUnreadable.
    """
    encoder = load_encoder(model)
    examples = [e for e in read_captions(data) if e.split == split]
    if not examples:
        raise DataMissing(f"{data} has no photos in the split {split!r}.")
    features = collect(encoder, examples, say)
    return {
        "model": encoder.identity.model,
        "data": data.name,
        "split": split,
        "images": len(examples),
        "captions": len(features.texts),
        "rows": policies(encoder, features),
    }
