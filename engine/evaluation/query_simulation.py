"""Queries that look at some photos of an index again: what is found then, and what it costs, on a captioned set."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch

from engine.exits.calibration import Reading, certainty_equivalent, lifts
from engine.exits.encoder import Encoder
from engine.exits.query_gate import PAGE, Described, described, relations
from engine.search.allocation import READ, Looks, deepen, pool_size
from engine.search.metrics import at_ranks, best, ndcg, overlap, own_ranks, recall_of
from engine.search.refine import LIMIT
from engine.training.features import Features

Row = dict[str, Any]
AT_ONCE = 500  # queries read together, for the sake of memory


class Index:
    """An index in which each photo stands at some exit; every query starts from it as it is."""

    def __init__(self, encoder: Encoder, features: Features, exits: np.ndarray, plain: bool = False) -> None:
        """Args: exits: (N,) 0-based, where each photo stands.  plain: read scores by calibrations alone."""
        self.encoder, self.features, self.exits = encoder, features, exits
        vectors, self.texts = features.vectors.numpy(), features.texts.numpy()
        self.owner, self._vectors = features.owner.numpy(), vectors
        self.final = self.texts @ vectors[:, -1].T  # (T, N)
        self.spreads = np.array([calibration.deviation for calibration in encoder.calibrations])
        self._slopes, self._offsets = lifts(encoder.calibrations, encoder.logit_scale)
        self.indexed = vectors[np.arange(len(vectors)), exits]
        self.scores = self.texts @ self.indexed.T * self._slopes[exits] + self._offsets[exits]  # (T, N)
        self.pool = best(self.scores, min(pool_size(len(exits), PAGE), len(exits)))  # (T, M)
        self.onward = encoder.ladder.onward(from_map=True)
        self._plain = plain

    @cached_property
    def reading(self) -> Reading:
        """What is expected of each query's candidates, (T, M)."""
        exits = self.exits[self.pool]
        return self._read(np.take_along_axis(self.scores, self.pool, 1) - self._of_doubt(self.spreads[exits]), exits)

    def _read(self, expected: np.ndarray, exits: np.ndarray) -> Reading:
        """What T-GEMs make of candidates whose calibrations expect so much at their exits (0-based), (T, M) each."""
        encoder, deviations = self.encoder, self.spreads[exits]
        if self._plain:
            return Reading(expected, deviations)
        order = np.argsort(-(expected + self._of_doubt(deviations)), axis=1, kind="stable")[:, :READ]
        near, at, photos = (np.take_along_axis(values, order, 1) for values in (expected, exits, self.pool))
        asked = described(self.features.texts, encoder.guides, encoder.logit_scale)
        seen_at, rows_of = np.unique(at * len(self.exits) + photos, return_inverse=True)  # each photo once at an exit
        embeddings = self._vectors[seen_at % len(self.exits), seen_at // len(self.exits)]
        shown = described(torch.from_numpy(embeddings), encoder.guides, encoder.logit_scale)
        places = torch.from_numpy(rows_of.reshape(at.shape))
        shifts, factors = np.zeros(near.shape), np.ones(near.shape)
        for start in range(0, len(near), AT_ONCE):
            rows = slice(start, start + AT_ONCE)
            with torch.inference_mode():
                seen = relations(
                    torch.from_numpy(near[rows]).float(),
                    self.features.texts[rows],
                    Described(asked.shape[rows], asked.meaning[rows]),
                    Described(shown.shape[places[rows]], shown.meaning[places[rows]]),
                )
                for k in np.unique(at[rows]).tolist():
                    if k < encoder.exits - 1:
                        mine = at[rows] == k
                        shift, factor = encoder.modules.query_gates[k](seen[torch.from_numpy(mine)])
                        shifts[rows][mine], factors[rows][mine] = shift.numpy(), factor.numpy()
        found = Reading(expected.copy(), deviations.copy())
        np.put_along_axis(found.expected, order, near + shifts, 1)
        np.put_along_axis(found.deviations, order, np.take_along_axis(deviations, order, 1) * factors, 1)
        return found

    def found(self) -> Row:
        """What the first ranking finds, both ways."""
        return {"t2i": at_ranks(own_ranks(self.first, self.owner)), "i2t": self._found_backwards}

    @cached_property
    def first(self) -> np.ndarray:
        """(T, N) scores of the first ranking, before any look; the candidates among them are read."""
        found = self.scores.copy()
        np.put_along_axis(found, self.pool, self.reading.expected + self._of_doubt(self.reading.deviations), 1)
        return found

    def by_worth(self, worth: float, limit: float = LIMIT) -> Row:
        """Each query looks again while a look is worth its cost; see `engine.search.allocation`."""
        refined, looks, spent = self.looked(worth, limit)
        many = len(self.texts)
        photos = np.unique(looks.queries * len(self.exits) + self.pool[looks.queries, looks.places])
        return self._row(refined, len(photos) / many, spent / many)

    def looked(self, worth: float, limit: float = LIMIT) -> tuple[np.ndarray, Looks, float]:
        """What each query looks at again, one by one from the index as it is.

        Candidates are read before the looks and, those that are shallow still, again after them.

        Returns: (T, N) scores after it; the looks; what they and the reading of candidates cost, in full encodings.
        """
        exits = self.exits[self.pool]
        stands, expected = exits.copy(), np.take_along_axis(self.scores, self.pool, 1)
        expected -= self._of_doubt(self.spreads[exits])

        def run(queries: np.ndarray, places: np.ndarray, target: int) -> Reading:
            scores = self._scores_at(target, queries, self.pool[queries, places])
            deviations = np.full(len(scores), self.spreads[target])
            stands[queries, places] = target
            expected[queries, places] = scores - self._of_doubt(deviations)
            return Reading(expected[queries, places], deviations)

        looks = deepen(
            self.reading,
            exits,
            self.onward[exits],
            self.onward,
            self.spreads,
            PAGE,
            self.encoder.logit_scale,
            limit,
            run,
            worth,
        )
        refined, after = self.first.copy(), self._read(expected, stands)
        np.put_along_axis(refined, self.pool, after.expected + self._of_doubt(after.deviations), 1)
        return refined, looks, float(looks.costs.sum()) + self._reading_cost(exits, stands)

    def _reading_cost(self, before: np.ndarray, after: np.ndarray) -> float:
        """Full encodings that reading candidates takes which stand at these exits (0-based) before and after looks."""
        if self._plain:
            return 0.0
        many, left = ((exits[:, :READ] < self.encoder.exits - 1).sum(1) for exits in (before, after))
        macs = sum(map(self.encoder.foresee_macs, many.tolist())) + int(left.sum()) * self.encoder.reading_macs
        return macs / self.encoder.full_macs

    def by_rank(self, most: Sequence[int] | np.ndarray | int) -> Row:
        """Each query runs its best photos to full depth; `most` of them, one number or one for each query."""
        refined = self.scores.copy()
        counts = np.broadcast_to(np.asarray(most), len(self.texts))
        top = best(self.scores, min(int(counts.max()), refined.shape[1]))
        rows, ranks = np.nonzero(np.arange(top.shape[1]) < counts[:, None])
        photos = top[rows, ranks]
        refined[rows, photos] = self.final[rows, photos]
        costs = self.onward[self.exits[photos], -1]
        deeper = np.isfinite(costs)
        return self._row(refined, deeper.sum() / len(self.texts), costs[deeper].sum() / len(self.texts))

    def by_rank_of(self, scores: np.ndarray, most: int) -> Row:
        """Another encoder's ranking (T, N), whose best photos this one runs to full depth and puts before the rest."""
        top = best(scores, min(most, scores.shape[1]))
        refined = scores - 4  # below any cosine
        np.put_along_axis(refined, top, np.take_along_axis(self.final, top, 1), 1)
        return self._row(refined, most, most)

    @cached_property
    def _reference(self) -> np.ndarray:
        return best(self.final, PAGE)

    def _scores_at(self, exit: int, queries: np.ndarray, photos: np.ndarray) -> np.ndarray:
        """(N,) what queries score photos at an exit (0-based), by its calibration."""
        cosines = np.einsum("nd,nd->n", self.texts[queries], self._vectors[photos, exit])
        return cosines * self._slopes[exit] + self._offsets[exit]

    def _of_doubt(self, deviations: np.ndarray) -> np.ndarray:
        """What doubt adds to expected scores in a ranking."""
        return certainty_equivalent(np.zeros(1), deviations, self.encoder.logit_scale)

    @cached_property
    def _found_backwards(self) -> dict[str, float]:
        """Photos finding their texts: of the index as it is, whatever queries do."""
        return recall_of(self.scores, self.owner)["i2t"]

    def _row(self, refined: np.ndarray, deepened: float, macs: float) -> Row:
        page, reference = best(refined, PAGE), self._reference
        return {
            "t2i": at_ranks(own_ranks(refined, self.owner)),
            "i2t": self._found_backwards,
            "deepened_per_query": round(deepened, 2),
            "macs_per_query": round(macs, 2),
            "overlap10": round(overlap(page, reference), 4),
            "ndcg10": round(ndcg(page, reference), 4),
        }
