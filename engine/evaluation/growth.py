"""How looking again grows: with the gallery, and with the queries that a gallery has answered."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from engine.evaluation.query_simulation import Index
from engine.exits.encoder import Encoder
from engine.search.allocation import WORTH
from engine.training.captions import Example
from engine.training.features import Features, pixels_of

Row = dict[str, Any]
KEPT = 0.98  # of full depth's R@10
GALLERIES = (1000, 2000, 4000, 7000)  # photos
# The first is the thriftiest.
WORTHS = (0.02, 0.014, 0.01, 0.008, 0.0065, 0.005, 0.004, 0.003, 0.0024, 0.0018, 0.0014, 0.001, 0.0007, 0.0005)
TOP_M = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 20, 24, 28, 33, 40, 50, 60, 80, 100)
MOST = 60.0  # full encodings that a query may spend here, so that the limit of the page does not hide the need
QUERIES = (1, 10, 100, 1000)
LARGE = 100_000  # photos of the gallery that is told of, not run


def seen_at(encoder: Encoder, examples: Sequence[Example], exit: int) -> np.ndarray:
    """Embeddings of photos at an exit (0-based) and at full depth, (M, 2, D)."""
    pairs = [
        np.stack([encoder.encode_to(pixels, exit + 1), encoder.encode_to(pixels, encoder.exits)], 1)
        for pixels in pixels_of(encoder, examples)
    ]
    return np.concatenate(pairs) if pairs else np.empty((0, 2, encoder.dim), np.float32)


def needs(
    encoder: Encoder, features: Features, others: np.ndarray, exit: int, galleries: Sequence[int] = GALLERIES
) -> list[Row]:
    """What 98 % of full depth's R@10 needs among ever more photos, from an index that stands at one exit.

    Looks go all the way. Worths, and numbers of the best by rank alone, are the first of a list that keep as much.

    Args:
        features: photos with captions, which are the queries.
        others: (M, 2, D) embeddings of photos that nobody asks for, at the exit and at full depth.
        exit: 0-based.  galleries: numbers of photos; those that there are too few for are left out.
    """
    found = []
    for photos in galleries:
        more = photos - len(features.vectors)
        if not 0 <= more <= len(others):
            continue
        vectors = torch.zeros(photos, encoder.exits, encoder.dim)
        for place, k in enumerate((exit, encoder.exits - 1)):
            vectors[:, k] = torch.cat([features.vectors[:, k], torch.from_numpy(others[:more, place])])
        index = Index(encoder, replace(features, vectors=vectors), np.full(photos, exit))
        index.onward[:, :-1] = np.inf
        full = index.by_rank(photos)["t2i"]["r10"]
        row: Row = {"photos": photos, "exit": exit + 1, "full_r10": round(full, 2)}
        for worth in WORTHS:
            refined = index.by_worth(worth, MOST)
            if refined["t2i"]["r10"] >= KEPT * full:
                row |= {key: refined[key] for key in ("deepened_per_query", "macs_per_query", "overlap10")}
                row |= {"worth": worth, "kept": round(refined["t2i"]["r10"] / full, 4)}
                break
        row["topm"] = next((min(m, photos) for m in TOP_M if index.by_rank(m)["t2i"]["r10"] >= KEPT * full), None)
        found.append(row)
    return found


def account(encoder: Encoder, features: Features, exits: np.ndarray, share: float, seed: int = 0) -> list[Row]:
    """A gallery's MACs share after so many queries, each leaving its photos where it has run them to.

    Of a large gallery it is told from the rate of the first queries, as if no two of them looked at one photo.

    Args: exits: (N,) 0-based, where photos stand at first.  share: what indexing them cost, of full depth.
    """
    order = np.random.default_rng(seed).permutation(len(features.texts))[: max(QUERIES)]
    stands, spent, found = exits.copy(), 0.0, []
    for number, query in enumerate(order.tolist(), start=1):
        asked = replace(features, texts=features.texts[[query]], owner=features.owner[[query]])
        index = Index(encoder, asked, stands)
        _, looks, cost = index.looked(WORTH)
        photos = index.pool[looks.queries, looks.places]
        stands[photos] = np.maximum(stands[photos], looks.exits)
        spent += cost
        if number in QUERIES:
            found.append({"photos": len(exits), "queries": number, "macs_share": round(share + spent / len(exits), 4)})
    rate = _rate(encoder, features, exits, order[:100])
    return [*found, *_told(share, rate)]


def _rate(encoder: Encoder, features: Features, exits: np.ndarray, queries: Sequence[int] | np.ndarray) -> float:
    """Full encodings that a query spends on an index that nobody has asked."""
    asked = replace(features, texts=features.texts[queries], owner=features.owner[queries])
    return Index(encoder, asked, exits).looked(WORTH)[2] / len(queries)


def _told(share: float, rate: float) -> list[Row]:
    return [
        {"photos": LARGE, "queries": many, "macs_share": round(share + many * rate / LARGE, 4), "told": True}
        for many in QUERIES
    ]
