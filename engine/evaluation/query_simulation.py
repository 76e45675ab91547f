"""Second looks simulated: what queries find that run some photos deeper, and what it costs."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from engine.evaluation import Row
from engine.evaluation.photo_set import Outcome, PhotoSet
from engine.exits.calibration import Estimate
from engine.search.allocation import Goal, deepen, pool_size
from engine.search.metrics import PAGE, best
from engine.search.refine import spending_limit


@dataclass(frozen=True)
class Looked:
    """What queries find after their second looks."""

    outcome: Outcome
    costs: np.ndarray  # (N,) the most that each photo cost, for any query, as a share of the full encoder's MACs
    about: Row  # the setting, and the full encodings that a query spent, the mean over queries


class IndexSimulation:
    """An index whose photos left at given exits. Every query starts from it as it is: no second look is kept."""

    def __init__(self, photos: PhotoSet, exits: np.ndarray) -> None:
        """Args: exits: (N,) 0-based, where each photo stands."""
        self.photos, self.exits, self.scorer = photos, exits, photos.encoder.scorer
        self.onward = photos.encoder.ladder.onward[1]  # with their maps
        self.estimate = photos.estimate(exits)  # (Q, N)
        self.scores = self.scorer.rank_scores(self.estimate)  # (Q, N) before second looks

    def by_gain(self, min_gain: float) -> Looked:
        """Each query runs candidates deeper while that gains enough for its cost; see `engine.search.allocation`.

        Args: min_gain: what a full encoding must add to the chance of finding.
        """
        many = len(self.exits)
        pool = best(self.scores, min(pool_size(many, PAGE), many))  # (Q, M) candidates
        parts = (self.estimate.expected, self.estimate.deviations)
        expected = Estimate(*(np.take_along_axis(part, pool, 1) for part in parts))
        found, deepest = self.scorer.rank_scores(expected), self.exits[pool]

        def run(queries: np.ndarray, places: np.ndarray, target: int) -> Estimate:
            seen = self._seen(queries, pool[queries, places], target)
            deepest[queries, places], found[queries, places] = target, self.scorer.rank_scores(seen)
            return seen

        goal = Goal(PAGE, self.scorer.logit_scale, spending_limit(many), min_gain)
        spent = deepen(
            expected, self.exits[pool], self.onward[self.exits[pool]], self.onward, self.scorer.deviations, goal, run
        )
        refined = self.scores.copy()
        np.put_along_axis(refined, pool, found, 1)
        reached = self.exits.copy()
        np.maximum.at(reached, pool, deepest)
        return self._looked(refined, reached, float(spent.sum()), {"min_gain": min_gain})

    def by_rank(self, most: int) -> Looked:
        """Each query runs its best photos to full depth."""
        refined, last = self.scores.copy(), self.photos.encoder.exits - 1
        top = best(self.scores, min(most, refined.shape[1]))
        np.put_along_axis(refined, top, np.take_along_axis(self._final, top, 1), 1)
        costs = self.onward[self.exits[top], -1]
        reached = self.exits.copy()
        reached[top] = last
        return self._looked(refined, reached, float(costs[np.isfinite(costs)].sum()), {"m": most})

    def _seen(self, queries: np.ndarray, photos: np.ndarray, exit: int) -> Estimate:
        """What queries expect of photos at an exit (0-based); (N,) each."""
        cosines = (self.photos.queries[queries] * self.photos.vectors[photos, exit]).sum(1)
        return self.scorer.estimate(cosines, np.full(len(photos), exit), self.photos.affinities[photos, exit])

    @cached_property
    def _final(self) -> np.ndarray:
        return self.photos.scores(self.photos.full)

    def _looked(self, refined: np.ndarray, reached: np.ndarray, spent: float, setting: Row) -> Looked:
        photos = self.photos
        texts = photos.best_texts(photos.vectors[np.arange(photos.many), self.exits])
        about = setting | {"macs_per_query": round(spent / len(refined), 2)}
        return Looked(photos.outcome(refined, texts), photos.shares[reached], about)
