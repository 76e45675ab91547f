"""Candidate scorer: what a query's candidates are expected to score at full depth, and how sure that is.

A photo that left early has only an early embedding, so its score is an estimate, by the calibration of its exit. Every
score is lowered by the photo's affinity to the text bank: a photo that all texts fit ranks too high for every query
(Nearest Neighbor Normalization: Chowdhury et al. 2024, arXiv 2410.24114). Search, evaluation and training all score
candidates here. A photo's rank score is the certainty equivalent of its estimate (`engine.exits.calibration`).
"""

from collections.abc import Sequence

import numpy as np

from engine.exits.calibration import Calibration, Estimate, certainty_equivalent


class CandidateScorer:
    """Calibrations and the weight of affinity of one encoder; immutable."""

    def __init__(
        self,
        calibrations: Sequence[Calibration],
        affinity_weight: float,
        logit_scale: float,
        usual_affinity: float = 0.0,
    ) -> None:
        """Args:
        calibrations: of every exit.
        affinity_weight: what a photo's affinity is multiplied by.
        usual_affinity: of photos in general; it is given back, so that scores stay of the size of cosines.
        """
        self.logit_scale, self.affinity_weight = logit_scale, affinity_weight
        self.usual_affinity = usual_affinity
        table = np.array([(c.slope, c.offset, c.deviation) for c in calibrations], np.float64)
        self._slopes, offsets, self.deviations = table.T  # (K,) each
        given_back = affinity_weight * usual_affinity
        self._offsets = offsets + given_back
        self._lifts = certainty_equivalent(offsets, self.deviations, logit_scale) + given_back

    def estimate(self, cosines: np.ndarray, exits: np.ndarray, affinity: np.ndarray, picture: bool = False) -> Estimate:
        """What candidates are expected to score.

        Args:
            cosines: of queries and candidates, any shape.  exits: (...) 0-based.  affinity: (...).
            picture: the query is a picture: like pictures count as they are, whatever texts fit them.
        """
        deviations = np.broadcast_to(self.deviations[exits], np.shape(cosines)).copy()
        lowered = 0.0 if picture else self._offsets[exits] - self.affinity_weight * affinity
        return Estimate(cosines * self._slopes[exits] + lowered, deviations)

    def rank_scores(self, estimate: Estimate) -> np.ndarray:
        """What candidates rank by: the certainty equivalents of their estimates."""
        return certainty_equivalent(estimate.expected, estimate.deviations, self.logit_scale)

    def lines(self, exits: np.ndarray, affinity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N,) slopes and (N,) offsets that turn cosines of text queries into rank scores; exits are 0-based."""
        return self._slopes[exits], self._lifts[exits] - self.affinity_weight * affinity
