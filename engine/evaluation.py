"""Retrieval quality against compute: recall, and policies side by side."""

from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

import numpy as np

from engine.budget import BUDGET_GRID
from engine.deepening import deepen, pool_size
from engine.encoder import Encoder, load_encoder
from engine.training.captions import DataMissing, read_captions
from engine.training.features import Features, collect

Row = dict[str, Any]

POLICIES = ("full", "exit", "random", "tgem", "exit+topm", "tgem+deepen")
PAGE = 10
TOP_M = (5, 10, 15, 20, 30, 50)  # how many of the best a query runs deeper where rank alone decides
LIMITS = (5, 10, 14, 20, 30)  # how many it may run deeper where doubt decides


def recall(images: np.ndarray, texts: np.ndarray, owner: np.ndarray) -> dict[str, dict[str, float]]:
    """Recall@1/5/10 in per cent, texts finding images ("t2i") and images finding any of their texts ("i2t").

    Args:
        images: (N, D) unit-length vectors.  texts: (T, D) likewise.  owner: (T,) the image each text describes.
    Returns: {"t2i": {"r1", "r5", "r10"}, "i2t": {...}}. Equal scores count against the right answer.
    """
    scores = texts @ images.T  # (T, N)
    text_ranks = _own_ranks(scores, owner)
    image_ranks = np.full(len(images), len(texts))
    for image in range(len(images)):
        mine = owner == image
        best = scores[mine, image].max()
        image_ranks[image] = (scores[~mine, image] >= best).sum()
    return {
        way: {f"r{k}": float((ranks < k).mean() * 100) for k in (1, 5, 10)}
        for way, ranks in (("t2i", text_ranks), ("i2t", image_ranks))
    }


def _own_ranks(scores: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """(T,) how many images score at least as high as the text's own, that one left out."""
    own = scores[np.arange(len(scores)), owner]
    return (scores >= own[:, None]).sum(1) - 1


def overlap(scores: np.ndarray, reference: np.ndarray, k: int = PAGE) -> float:
    """Share of the reference's best k that stand among the best k, the mean over rows; both (T, N)."""
    k = min(k, scores.shape[1])
    best, wanted = (np.argpartition(-s, k - 1, axis=1)[:, :k] for s in (scores, reference))
    return float(np.mean([len(np.intersect1d(a, b)) / k for a, b in zip(best, wanted, strict=True)]))


class Refining:
    """Queries that run some photos of an index deeper, each one from the untouched index."""

    def __init__(self, encoder: Encoder, features: Features, chosen: np.ndarray) -> None:
        """Args: chosen: (N,) the exit, 0-based, at which each photo was left when it was indexed."""
        vectors, texts = features.vectors.numpy(), features.texts.numpy()
        told = encoder.calibrations
        slopes, offsets, deviations = (
            np.array([getattr(told[k], name) for k in chosen]) for name in ("slope", "offset", "deviation")
        )
        self._indexed = vectors[np.arange(len(vectors)), chosen]
        self._texts, self._owner = texts, features.owner.numpy()
        self._final = texts @ vectors[:, -1].T  # (T, N)
        self._expected = texts @ self._indexed.T * slopes + offsets  # (T, N)
        self._deviations = deviations
        self._cost = encoder.exit_macs(())[-1] / encoder.full_macs

    def by_doubt(self, most: int) -> Row:
        """What is found where each query runs the photos whose place is in doubt, `most` at most."""
        pool = pool_size(len(self._indexed), PAGE)
        refined, tried = self._expected.copy(), 0
        for scores, final in zip(refined, self._final, strict=True):
            places = np.argsort(-scores, kind="stable")[:pool]
            ran = deepen(scores[places], self._deviations[places], PAGE, most, lambda at, f=final[places]: f[list(at)])
            scores[places[ran]] = final[places[ran]]
            tried += len(ran)
        return self._row(refined, tried / len(refined))

    def by_rank(self, most: int) -> Row:
        """What is found where each query runs its best photos that are not at full depth yet."""
        refined = self._expected.copy()
        best = np.argsort(-refined, axis=1, kind="stable")[:, :most]
        np.put_along_axis(refined, best, np.take_along_axis(self._final, best, 1), 1)
        return self._row(refined, float((self._deviations[best] > 0).sum(1).mean()))

    def _row(self, refined: np.ndarray, deepened: float) -> Row:
        ranks = _own_ranks(refined, self._owner)
        return {
            "t2i": {f"r{k}": float((ranks < k).mean() * 100) for k in (1, 5, 10)},
            "i2t": recall(self._indexed, self._texts, self._owner)["i2t"],
            "deepened_per_query": round(deepened, 2),
            "macs_per_query": round(deepened * self._cost, 2),
            "overlap10": round(overlap(refined, self._final), 4),
        }


def policies(encoder: Encoder, features: Features, wanted: Container[str] = POLICIES, deals: int = 20) -> list[Row]:
    """Rows of recall against compute for the policies asked for, names as in POLICIES.

    "random" deals the very exits that the gates chose at a budget to photos at random, so that it costs exactly the
    same: what is left of the difference is the choice of photos. Recall is the mean over the deals.
    """
    vectors, texts, owner = features.vectors.numpy(), features.texts.numpy(), features.owner.numpy()
    many, last = len(vectors), encoder.exits - 1
    _, exits = encoder.decide(features.trace)
    forced = [macs / encoder.full_macs for macs in encoder.forced_macs]
    rows: list[Row] = []

    def add(policy: str, setting: float, macs_share: float, found: Row) -> None:
        if policy in wanted:
            rows.append({"policy": policy, "setting": setting, "macs_share": macs_share, **found})

    def index(chosen: np.ndarray) -> Row:
        return recall(vectors[np.arange(many), chosen], texts, owner)

    add("full", encoder.exits, 1.0, index(np.full(many, last)))
    for k in range(last):
        everyone = np.full(many, k)
        add("exit", k + 1, forced[k], index(everyone))
        if "exit+topm" in wanted:
            refining = Refining(encoder, features, everyone)
            for most in TOP_M:
                add("exit+topm", k + 1, forced[k], refining.by_rank(most) | {"m": most})
    for column, budget in enumerate(BUDGET_GRID):
        chosen = exits[:, column].numpy()
        share = float(np.array(encoder.exit_macs(encoder.plans[column].open))[chosen].mean() / encoder.full_macs)
        add("tgem", budget, share, index(chosen))
        if "random" in wanted:
            shuffle = np.random.default_rng(column)
            dealt = [index(shuffle.permutation(chosen)) for _ in range(deals)]
            mean = {way: {k: float(np.mean([d[way][k] for d in dealt])) for k in at} for way, at in dealt[0].items()}
            add("random", budget, share, mean)
        if "tgem+deepen" in wanted:
            refining = Refining(encoder, features, chosen)
            for most in LIMITS:
                add("tgem+deepen", budget, share, refining.by_doubt(most) | {"limit": most})
    return [_rounded(r) for r in rows]


def _rounded(row: Row) -> Row:
    ways = {way: {k: round(v, 2) for k, v in row[way].items()} for way in ("t2i", "i2t")}
    return row | {"macs_share": round(row["macs_share"], 4)} | ways


def evaluate(
    data: Path,
    split: str = "test",
    model: str | None = None,
    wanted: Container[str] = POLICIES,
    say: Callable[[str], None] = lambda line: None,
) -> Row:
    """Retrieval on a captioned set, as the machine-readable table that `evaluate --json` prints; trains nothing.

    Args:
        data: folder with `captions.jsonl` and `images`.  split: which part of it.  model: as in `load_encoder`.
        wanted: policies, of POLICIES.
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
        "rows": policies(encoder, features, wanted),
    }
