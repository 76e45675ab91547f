"""One ranking of photos that left the encoder at different depths: scores read as what full depth would give."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.store import Candidate

if TYPE_CHECKING:
    from engine.encoder import Encoder


@dataclass(frozen=True)
class Ranking:
    """A query's photos, best first."""

    ids: list[int]
    scores: list[float]  # expected at full depth
    candidates: list[Candidate]  # for running deeper: the first ones, in the same order
    deviations: np.ndarray  # (M,) of their scores at full depth around the expected ones


def lifted(vectors: np.ndarray, exits: np.ndarray, encoder: "Encoder") -> np.ndarray:
    """Vectors whose inner product with a lifted query is the calibrated score.

    Args: vectors: (N, D).  exits: (N,) 1-based.
    Returns: (N, D + 1) float32.
    """
    slopes, offsets, _ = _told(encoder, exits)
    return np.hstack([vectors * slopes[:, None], offsets[:, None]]).astype(np.float32)


def lifted_query(query: np.ndarray) -> np.ndarray:
    """(D,) to (D + 1,) float32; see `lifted`."""
    return np.append(query, 1).astype(np.float32)


def read(
    encoder: "Encoder", query: np.ndarray, vectors: np.ndarray, exits: Sequence[int] | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What embeddings foretell of their photos' scores at full depth.

    Args: query: (D,).  vectors: (N, D).  exits: (N,) 1-based, where each was left.
    Returns: (N,) expected scores, and (N,) deviations of the true ones around them; 0 at full depth.
    """
    slopes, offsets, deviations = _told(encoder, np.asarray(exits, np.int64))
    cosines = (vectors * query).sum(axis=1)  # row by row, so that equal photos have equal scores to the last bit
    return cosines * slopes + offsets, deviations


def ranked(
    encoder: "Encoder", query: np.ndarray, ids: np.ndarray, scores: np.ndarray, candidates: Sequence[Candidate]
) -> Ranking:
    """The best photos of an index, the candidates among them read one by one and put in order.

    Args: ids, scores: (N,) best first, as the index has them.  candidates: the first of them, or fewer.
    """
    vectors = np.stack([np.frombuffer(c.vector, np.float32) for c in candidates]) if candidates else np.empty((0, 1))
    expected, deviations = read(encoder, query, vectors, [c.exit for c in candidates])
    order = np.lexsort((np.array([c.image_id for c in candidates], np.int64), -expected))
    first = [candidates[place].image_id for place in order]
    known = set(first)
    rest = [(i, s) for i, s in zip(ids.tolist(), scores.tolist(), strict=True) if i not in known]
    return Ranking(
        ids=[*first, *(i for i, _ in rest)],
        scores=[*expected[order].tolist(), *(s for _, s in rest)],
        candidates=[candidates[place] for place in order],
        deviations=deviations[order],
    )


def _told(encoder: "Encoder", exits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slopes, offsets and deviations of the scores at exits, (N,) each."""
    table = np.array([(c.slope, c.offset, c.deviation) for c in encoder.calibrations], np.float32)
    slopes, offsets, deviations = table[exits - 1].T
    return slopes, offsets, deviations
