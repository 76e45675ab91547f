"""A set of photos as one encoder sees it, and how an index of them answers; every policy is measured on this."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from engine.evaluation import Row
from engine.exits.calibration import Estimate
from engine.exits.encoder import Encoder
from engine.search.metrics import PAGE, best, own_ranks, paired_difference
from engine.training.calibrate import affinities
from engine.training.features import Features

RANKS = {"r1": 1, "r5": 5, "r10": PAGE}


@dataclass(frozen=True)
class Outcome:
    """How an index answers, item by item, in shares from 0 to 1: two indexes are compared in pairs."""

    found: np.ndarray  # (T, 3) captions: among the first 1, 5 and 10; of labels (N, 1): the photo's own fits it best
    label: np.ndarray  # (N,) a photo's best text is the one at full depth
    top10: np.ndarray  # (Q,) share of a query's first ten at full depth that are among its first ten

    @classmethod
    def mean(cls, outcomes: Sequence["Outcome"]) -> "Outcome":
        """Of several tries."""
        return cls(*(np.mean(arrays, axis=0) for arrays in zip(*(vars(o).values() for o in outcomes), strict=True)))


@dataclass(frozen=True, eq=False)
class PhotoSet:
    """Photos that nothing was trained on, with captions or with labels."""

    encoder: Encoder
    features: Features
    texts: Sequence[str] = ()  # the features' texts in words
    labels: np.ndarray | None = None  # (N,) number of each photo's label among the features' texts; None: captions

    @property
    def queries(self) -> np.ndarray:
        """(Q, D) captions, or a text for each label."""
        return self.features.texts.numpy()

    @property
    def many(self) -> int:
        """How many photos there are."""
        return len(self.features.vectors)

    @cached_property
    def vectors(self) -> np.ndarray:
        """(N, K, D)."""
        return self.features.vectors.numpy()

    @cached_property
    def affinities(self) -> np.ndarray:
        """(N, K)."""
        return affinities(self.encoder.bank, self.features.vectors).numpy()

    @property
    def shares(self) -> np.ndarray:
        """(K,) What a photo costs that leaves at each exit."""
        return self.encoder.ladder.shares

    @cached_property
    def decided(self) -> np.ndarray:
        """(N, G) The exits that the gates choose at each budget, 0-based."""
        return self.encoder.decide(self.features.trace).numpy()

    @cached_property
    def full(self) -> np.ndarray:
        """(N,) Exits of photos that all run to full depth."""
        return self.everyone_at(self.encoder.exits - 1)

    def everyone_at(self, exit: int) -> np.ndarray:
        """(N,) Exits of photos that all leave at one (0-based)."""
        return np.full(self.many, exit)

    def at(self, exits: np.ndarray) -> Outcome:
        """How an index answers whose photos left at these exits, (N,) 0-based."""
        return self.outcome(self.scores(exits), self.best_texts(self.vectors[np.arange(self.many), exits]))

    def of(self, vectors: np.ndarray) -> Outcome:
        """How an index of another encoder's embeddings answers, (N, D), scored as full depth's are."""
        fits = self.encoder.bank.affinity(torch.from_numpy(vectors)).numpy()
        estimate = self.encoder.scorer.estimate(self.queries @ vectors.T, self.full, fits)
        return self.outcome(estimate.expected, self.best_texts(vectors))

    def scores(self, exits: np.ndarray) -> np.ndarray:
        """(Q, N) What queries rank photos by that left at these exits, (N,) 0-based."""
        return self.encoder.scorer.rank_scores(self.estimate(exits))

    def estimate(self, exits: np.ndarray) -> Estimate:
        """(Q, N) What queries expect of photos that left at these exits, (N,) 0-based."""
        rows = np.arange(self.many)
        cosines = self.queries @ self.vectors[rows, exits].T
        return self.encoder.scorer.estimate(cosines, exits, self.affinities[rows, exits])

    def outcome(self, scores: np.ndarray, texts: np.ndarray) -> Outcome:
        """How a ranking answers.

        Args: scores: (Q, N).  texts: (N,) the best text of each photo, as `best_texts` has it.
        """
        page = best(scores, min(PAGE, self.many))
        kept = (page[:, :, None] == self._full_page[:, None, :]).any(1).mean(1)
        if self.labels is None:
            ranks = own_ranks(scores, self.owner)
            found = np.stack([ranks < k for k in RANKS.values()], 1)
        else:
            found = (texts == self.labels)[:, None]
        return Outcome(found, texts == self._full_texts, kept)

    def best_texts(self, vectors: np.ndarray) -> np.ndarray:
        """(N,) Number of the text that fits each photo best: of its labels, else of the bank; vectors (N, D)."""
        texts = self.encoder.bank.vectors.numpy() if self.labels is None else self.queries
        return (vectors @ texts.T).argmax(1)

    @property
    def owner(self) -> np.ndarray:
        """(T,) Number of the photo that each caption describes."""
        return self.features.owner.numpy()

    @cached_property
    def _full_page(self) -> np.ndarray:
        return best(self.scores(self.full), min(PAGE, self.many))

    @cached_property
    def _full_texts(self) -> np.ndarray:
        return self.best_texts(self.vectors[:, -1])

    def row(
        self, policy: str, setting: float, outcome: Outcome, costs: np.ndarray | float, seed: int | None = None
    ) -> Row:
        """One row of the table.

        Args: costs: (N,) what each photo cost, as a share of the full encoder's MACs.
        """
        share = float(np.mean(costs))
        found, label, top10 = self.paired(outcome)
        shares = outcome.found.mean(0) * 100
        right = {"right": shares[0]} if self.labels is not None else dict(zip(RANKS, shares, strict=True))
        fidelity = {"label": label[0], "top10": top10[0], "error": label[1]}
        return {
            "policy": policy,
            "setting": setting,
            "seed": seed,
            "macs_share": round(share, 4),
            "max_macs_share": round(float(np.max(costs)), 4),
            "gmacs": round(share * self.encoder.full_macs / 1e9, 4),
            "t2i" if self.labels is None else "top1": _rounded(right | {"error": found[1]}),
            "fidelity": _rounded(fidelity),
        }

    def paired(self, one: Outcome, other: Outcome | None = None) -> list[tuple[float, float]]:
        """How much better one index answers than another, or than nothing, in per cent, and the standard error of that.

        Captions of one photo stand or fall together, and so do photos of one label.

        Returns: of R@10 or the labels found, of label fidelity, and of that of the first ten.
        """
        photos, queries = np.arange(self.many), np.arange(len(self.queries))
        owners = (self.owner, photos, self.owner) if self.labels is None else (self.labels, self.labels, queries)
        nothing = Outcome(*(np.zeros_like(array, float) for array in vars(one).values()))
        pairs = zip(vars(one).values(), vars(other or nothing).values(), owners, strict=True)
        columns = ((a, b, owner) if a.ndim == 1 else (a[:, -1], b[:, -1], owner) for a, b, owner in pairs)
        return [paired_difference(*column) for column in columns]


def _rounded(row: Row) -> Row:
    return {name: round(float(value), 2) for name, value in row.items()}
