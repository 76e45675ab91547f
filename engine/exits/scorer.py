"""Candidate scorer: what a query's candidates are expected to score at full depth, and how sure that is.

A photo that left early has only an early embedding, so its score is an estimate. The calibration of its exit comes
first; the query gates then correct the estimates of the best candidates. Search, evaluation and training all score
candidates here. A photo's rank score is the certainty equivalent of its estimate (`engine.exits.calibration`).
"""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import cast

import numpy as np
import torch
from cachetools import LRUCache
from torch import Tensor, nn

from engine.exits.calibration import Calibration, Estimate, certainty_equivalent, rank_lines
from engine.exits.query_gate import GATE_MACS, Described, QueryGate, described, relations
from engine.exits.text_bank import TextBank
from engine.utils.compute_lock import ANSWER, COMPUTE

CORRECTED = 60  # a query's best candidates, which its query gates correct; the others are too far from the page
QUERIES_AT_ONCE = 500  # corrected together, for the sake of memory
DESCRIPTIONS_KEPT = 4096  # 4 kB each

# Describes (Q, M) candidates, given by their places: distinct descriptions, and which of them is whose, (Q, M).
Describe = Callable[[np.ndarray], tuple[Described, Tensor]]


class CandidateScorer:
    """Calibrations and query gates of one encoder; safe to use from many threads."""

    def __init__(self, calibrations: Sequence[Calibration], gates: nn.ModuleList, bank: TextBank, logit_scale: float):
        """Args: calibrations: of every exit.  gates: of every exit but the last.  bank: what describes photos."""
        self._gates, self._bank, self.logit_scale = gates, bank, logit_scale
        table = np.array([(c.slope, c.offset, c.deviation) for c in calibrations], np.float64)
        self._slopes, self.offsets, self.deviations = table.T  # (K,) each
        self.lines = rank_lines(calibrations, logit_scale)
        self._descriptions = Descriptions(bank, logit_scale)

    def calibrated(self, cosines: np.ndarray, exits: np.ndarray) -> Estimate:
        """What the calibrations alone make of cosines.

        Args: cosines: of queries and candidates, any shape.  exits: (...) 0-based, of the candidates.
        """
        deviations = np.broadcast_to(self.deviations[exits], np.shape(cosines)).copy()
        return Estimate(cosines * self._slopes[exits] + self.offsets[exits], deviations)

    def rank_scores(self, estimate: Estimate) -> np.ndarray:
        """What candidates rank by: the certainty equivalents of their estimates."""
        return certainty_equivalent(estimate.expected, estimate.deviations, self.logit_scale)

    def corrected(
        self, estimate: Estimate, exits: np.ndarray, queries: Tensor, asked: Described, describe: Describe
    ) -> Estimate:
        """Correct the best `CORRECTED` candidates of each query by the query gates of their exits.

        Args:
            estimate: (Q, M), calibrated.  exits: (Q, M) 0-based.
            queries: (Q, D) unit length.  asked: their descriptions.
            describe: called once, with the places of the best, (Q, <= CORRECTED); equal ones in order of place.
        """
        best = np.argsort(-self.rank_scores(estimate), axis=1, kind="stable")[:, :CORRECTED]
        near, at = (np.take_along_axis(values, best, 1) for values in (estimate.expected, exits))
        shown, whose = describe(best)
        shifts, factors = np.zeros(near.shape), np.ones(near.shape)
        with torch.inference_mode():
            for start in range(0, len(near), QUERIES_AT_ONCE):
                rows = slice(start, start + QUERIES_AT_ONCE)
                shift, factor = corrections(
                    self._gates,
                    torch.from_numpy(near[rows]).float(),
                    torch.from_numpy(at[rows]),
                    queries[rows],
                    Described(asked.shape[rows], asked.meaning[rows]),
                    Described(shown.shape[whose[rows]], shown.meaning[whose[rows]]),
                )
                shifts[rows], factors[rows] = shift.numpy(), factor.numpy()
        found = Estimate(estimate.expected.copy(), estimate.deviations.copy())
        np.put_along_axis(found.expected, best, near + shifts, 1)
        np.put_along_axis(found.deviations, best, np.take_along_axis(estimate.deviations, best, 1) * factors, 1)
        return found

    @COMPUTE.held(ANSWER)
    def scored(self, query: np.ndarray, vectors: np.ndarray, exits: np.ndarray) -> tuple[Estimate, int]:
        """What one query's candidates are expected to score.

        Args: query: (D,).  vectors: (M, D).  exits: (M,) 0-based.  Equal candidates keep their order.
        Returns: (M,) estimates; and the MACs of the corrections, no embedding described twice.
        """
        cosines = (vectors * query).sum(axis=1)  # row by row, so that equal photos have equal scores to the last bit
        estimate = self.calibrated(cosines, exits)
        if not self._bank.texts or not (exits < len(self._gates)).any():
            return estimate, 0
        macs = 0

        def describe(best: np.ndarray) -> tuple[Described, Tensor]:
            nonlocal macs
            early = np.flatnonzero(exits[best[0]] < len(self._gates))
            shown = Described(torch.zeros(best.shape[1], 3), torch.zeros(best.shape[1], vectors.shape[1]))
            if len(early):
                found, fresh = self._descriptions.of(np.ascontiguousarray(vectors[best[0, early]], np.float32))
                shown.shape[early], shown.meaning[early] = found.shape, found.meaning
                macs += self.macs(fresh, len(early))
            return shown, torch.arange(best.shape[1])[None]

        asked_for = np.ascontiguousarray(query, np.float32)[None]
        asked, fresh = self._descriptions.of(asked_for)
        rows = Estimate(estimate.expected[None], estimate.deviations[None])
        found = self.corrected(rows, exits[None], torch.from_numpy(asked_for), asked, describe)
        return Estimate(found.expected[0], found.deviations[0]), macs + self.macs(fresh, 0)

    def macs(self, described: int, corrected: int) -> int:
        """MACs of describing so many embeddings, and of correcting so many candidates that are described."""
        return described * 2 * self._bank.vectors.numel() + corrected * (GATE_MACS + self._bank.vectors.shape[1])


def corrections(
    gates: nn.ModuleList, expected: Tensor, exits: Tensor, queries: Tensor, asked: Described, photos: Described
) -> tuple[Tensor, Tensor]:
    """What query gates make of candidates; the last exit has none, and differentiable where they are trained.

    Args:
        expected: (Q, M) calibrated scores.  exits: (Q, M) 0-based.
        queries: (Q, D) unit length.  asked: their descriptions.  photos: those of the candidates, (Q, M).
    Returns: shifts of the expected scores and factors of their deviations, (Q, M) each.
    """
    seen = relations(expected, queries, asked, photos)
    shifts, factors = torch.zeros_like(expected), torch.ones_like(expected)
    for k in exits.unique().tolist():
        if k < len(gates):
            mine = exits == k
            shifts[mine], factors[mine] = cast(QueryGate, gates[k])(seen[mine])
    return shifts, factors


class Descriptions:
    """The latest embeddings' descriptions, so that none is described twice; safe to use from many threads."""

    def __init__(self, bank: TextBank, logit_scale: float) -> None:
        self._bank, self._logit_scale = bank, logit_scale
        self._kept: LRUCache[bytes, Described] = LRUCache(DESCRIPTIONS_KEPT)
        self._lock = Lock()

    def of(self, vectors: np.ndarray) -> tuple[Described, int]:
        """Descriptions of embeddings (N, D), one at least, and how many of them are new."""
        keys = [vector.tobytes() for vector in vectors]
        with self._lock:
            found = {key: self._kept[key] for key in keys if key in self._kept}
        fresh = [row for row, key in enumerate(keys) if key not in found]
        if fresh:  # without the lock: no query waits for another one's
            made = described(torch.from_numpy(vectors[fresh]), self._bank.vectors, self._logit_scale)
            # Clones, for a view of one would keep the whole batch in memory.
            each = zip(made.shape, made.meaning, strict=True)
            new = {keys[row]: Described(s.clone(), m.clone()) for row, (s, m) in zip(fresh, each, strict=True)}
            found |= new
            with self._lock:
                self._kept.update(new)
        parts = [found[key] for key in keys]
        return Described(torch.stack([d.shape for d in parts]), torch.stack([d.meaning for d in parts])), len(fresh)
