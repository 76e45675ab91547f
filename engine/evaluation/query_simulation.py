"""Second looks simulated: what queries find on a captioned set when they run some photos deeper, and what it costs."""

from functools import cached_property

import numpy as np
import torch

from engine.evaluation import Row
from engine.exits.calibration import Estimate
from engine.exits.encoder import Encoder
from engine.exits.query_gate import PAGE, Described, described
from engine.exits.scorer import CORRECTED
from engine.search.allocation import Goal, deepen, pool_size
from engine.search.metrics import best, ndcg, overlap, own_ranks, recall, recall_at
from engine.search.refine import LIMIT
from engine.training.features import Features


class IndexSimulation:
    """An index whose photos left at given exits. Every query starts from it as it is: no second look is kept."""

    def __init__(self, encoder: Encoder, features: Features, exits: np.ndarray, plain: bool = False) -> None:
        """Args: exits: (N,) 0-based, where each photo stands.  plain: score by calibrations alone."""
        self.encoder, self.features, self.exits = encoder, features, exits
        vectors, self.texts = features.vectors.numpy(), features.texts.numpy()
        self.owner, self._vectors = features.owner.numpy(), vectors
        self.final = self.texts @ vectors[:, -1].T  # (T, N)
        self.scorer = encoder.scorer
        indexed = vectors[np.arange(len(vectors)), exits]
        calibrated = self.scorer.calibrated(self.texts @ indexed.T, exits)
        self.expected = calibrated.expected  # (T, N) of every photo at full depth, by calibrations
        self.scores = self.scorer.rank_scores(calibrated)  # (T, N)
        self.pool = best(self.scores, min(pool_size(len(exits), PAGE), len(exits)))  # (T, M)
        self.onward = encoder.ladder.onward(from_map=True)
        self._plain = plain

    @cached_property
    def estimate(self) -> Estimate:
        """Of each query's candidates, (T, M)."""
        return self._corrected(np.take_along_axis(self.expected, self.pool, 1), self.exits[self.pool])

    def _corrected(self, expected: np.ndarray, exits: np.ndarray) -> Estimate:
        """Candidates whose calibrations expect so much at their exits (0-based), corrected; (T, M) each."""
        calibrated = Estimate(expected, self.scorer.deviations[exits])
        if self._plain:
            return calibrated
        guides, logit_scale = self.encoder.guides, self.encoder.logit_scale

        def describe(places: np.ndarray) -> tuple[Described, torch.Tensor]:
            at, photos = (np.take_along_axis(values, places, 1) for values in (exits, self.pool))
            stands, whose = np.unique(at * len(self.exits) + photos, return_inverse=True)  # each photo once at an exit
            embeddings = self._vectors[stands % len(self.exits), stands // len(self.exits)]
            shown = described(torch.from_numpy(embeddings), guides, logit_scale)
            return shown, torch.from_numpy(whose.reshape(at.shape))

        asked = described(self.features.texts, guides, logit_scale)
        return self.scorer.corrected(calibrated, exits, self.features.texts, asked, describe)

    def recall(self) -> Row:
        """Recall of the first ranking, both ways."""
        return {"t2i": recall_at(own_ranks(self.first, self.owner)), "i2t": self._image_to_text}

    @cached_property
    def first(self) -> np.ndarray:
        """(T, N) scores of the first ranking, before any look; the candidates among them are corrected."""
        found = self.scores.copy()
        np.put_along_axis(found, self.pool, self.scorer.rank_scores(self.estimate), 1)
        return found

    def by_gain(self, min_gain: float) -> Row:
        """Each query runs candidates deeper while that gains enough for its cost; see `engine.search.allocation`.

        Candidates are corrected before their second looks and, those that are shallow still, again after them.

        Args: min_gain: what a full encoding must add to the chance of finding.
        """
        exits = self.exits[self.pool]
        deepest, expected = exits.copy(), np.take_along_axis(self.expected, self.pool, 1)

        def run(queries: np.ndarray, places: np.ndarray, target: int) -> Estimate:
            found = self._estimate_at(target, queries, self.pool[queries, places])
            deepest[queries, places], expected[queries, places] = target, found.expected
            return found

        looks = deepen(
            self.estimate,
            exits,
            self.onward[exits],
            self.onward,
            self.scorer.deviations,
            Goal(PAGE, self.encoder.logit_scale, LIMIT, min_gain),
            run,
        )
        refined = self.first.copy()
        np.put_along_axis(refined, self.pool, self.scorer.rank_scores(self._corrected(expected, deepest)), 1)
        photos = np.unique(looks.queries * len(self.exits) + self.pool[looks.queries, looks.places])
        spent = float(looks.costs.sum()) + self._correction_cost(exits, deepest)
        return self._row(refined, len(photos) / len(self.texts), spent / len(self.texts))

    def _correction_cost(self, before: np.ndarray, after: np.ndarray) -> float:
        """Full encodings that it takes to correct candidates that stand at these exits (0-based) before and after."""
        if self._plain:
            return 0.0
        many, left = ((exits[:, :CORRECTED] < self.encoder.exits - 1).sum(1) for exits in (before, after))
        described = int((many + 1)[many > 0].sum())
        macs = self.scorer.macs(described, int(many.sum() + left.sum()))
        return macs / self.encoder.full_macs

    def by_rank(self, most: int) -> Row:
        """Each query runs its best photos to full depth."""
        refined = self.scores.copy()
        top = best(self.scores, min(most, refined.shape[1]))
        np.put_along_axis(refined, top, np.take_along_axis(self.final, top, 1), 1)
        costs = self.onward[self.exits[top], -1]
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

    def _estimate_at(self, exit: int, queries: np.ndarray, photos: np.ndarray) -> Estimate:
        """(N,) What queries expect of photos at an exit (0-based), by its calibration."""
        cosines = np.einsum("nd,nd->n", self.texts[queries], self._vectors[photos, exit])
        return self.scorer.calibrated(cosines, np.full(len(cosines), exit))

    @cached_property
    def _image_to_text(self) -> dict[str, float]:
        """Photos finding their texts: of the index as it is, whatever queries do."""
        return recall(self.scores, self.owner)["i2t"]

    def _row(self, refined: np.ndarray, deepened: float, macs: float) -> Row:
        page, reference = best(refined, PAGE), self._reference
        return {
            "t2i": recall_at(own_ranks(refined, self.owner)),
            "i2t": self._image_to_text,
            "deepened_per_query": round(deepened, 2),
            "macs_per_query": round(macs, 2),
            "overlap10": round(overlap(page, reference), 4),
            "ndcg10": round(ndcg(page, reference), 4),
        }
