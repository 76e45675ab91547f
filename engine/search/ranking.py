"""Ranks a collection's photos for a query, whatever their exits, by rank score (`engine.exits.scorer`).

An index finds the best by lines of their exits and affinities; the best of those are candidates for second looks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from cachetools import TTLCache

from engine.exits.calibration import Estimate
from engine.search.allocation import pool_size
from engine.search.faiss_index import FaissIndex
from engine.search.pg_vector_index import PgIndex
from engine.search.query_parser import Query
from engine.storage.database import Database
from engine.storage.encodings import Candidate, list_candidates, list_changes
from engine.storage.schema import ModelStamp, stamp_of

if TYPE_CHECKING:
    from engine.exits.encoder import Encoder

PhotoIndex = FaissIndex | PgIndex


@dataclass(frozen=True)
class Ranking:
    """A query's photos, best first."""

    candidates: list[Candidate]  # those that may be run deeper, and more than a page of them
    scores: list[float]  # rank scores
    own: list[bool]  # whether each is a picture that the query asks with
    estimate: Estimate
    photos: int  # in the collection

    @property
    def ids(self) -> list[int]:
        """Of the photos."""
        return [candidate.image_id for candidate in self.candidates]


SAME = 1e-5  # below a cosine of 1, for rounding: the same picture, at the same exit
INDEXES_KEPT = 64  # of the collections searched last
IDLE = 3600.0  # seconds after which an index that nobody searches is let go of


class Rankings:
    """An index for each collection that is searched, and rankings from it; safe to use from many threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._indexes: TTLCache[int, tuple[ModelStamp, PhotoIndex]] = TTLCache(INDEXES_KEPT, IDLE)
        self._lock = Lock()

    def ranking(
        self,
        collection_id: int,
        encoder: "Encoder",
        query: Query,
        k: int,
        among: Sequence[int] | None = None,
    ) -> Ranking:
        """A collection's best photos for a query: all candidates for a page of k.

        Args: among: ids of the images that may be found; None: all.
        """

        def changes(after: int, limit: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            found = list_changes(self._database, collection_id, after, limit)
            return found.revisions, found.ids, lifted(found.vectors, found.exits, found.affinity, encoder)

        index = self._index(collection_id, encoder)
        index.catch_up(changes)
        photos = len(index) if among is None else len(among)
        while True:
            ids = _best(index, lifted_query(query), pool_size(photos, k), among)
            candidates = list_candidates(self._database, ids.tolist())
            if len(candidates) == len(ids):
                return ranked(encoder, query, candidates, photos)
            there = [candidate.image_id for candidate in candidates]
            index.remove(ids[~np.isin(ids, there)])  # another process has deleted them

    def forget(self, collection_id: int) -> None:
        """Let go of a collection's index; it is built again when it is searched."""
        with self._lock:
            self._indexes.pop(collection_id, None)

    def remove(self, collection_id: int, image_ids: Sequence[int]) -> None:
        """Images of a collection are gone."""
        with self._lock:
            held = self._indexes.get(collection_id)
        if held is not None:
            held[1].remove(np.array(image_ids, np.int64))

    def _index(self, collection_id: int, encoder: "Encoder") -> PhotoIndex:
        """A collection's index, a new one where its photos are now encoded with another model."""
        stamp = stamp_of(encoder)
        with self._lock:
            held = self._indexes.get(collection_id)
            if held is None or held[0] != stamp:
                held = (stamp, _new_index(self._database, collection_id, encoder))
            self._indexes[collection_id] = held  # written at each use, from which on it counts as idle
            return held[1]


def _new_index(database: Database, collection_id: int, encoder: "Encoder") -> PhotoIndex:
    """An index of a collection: in the database where it can search vectors, else in memory."""
    engine = database.vector_search
    if engine is None:
        return FaissIndex(encoder.dim + 1)
    lines = encoder.scorer.lines(np.arange(encoder.exits), np.zeros(encoder.exits))
    return PgIndex(engine, collection_id, stamp_of(encoder).key, encoder.dim, lines, encoder.scorer.affinity_weight)


def _best(index: PhotoIndex, query: np.ndarray, k: int, among: Sequence[int] | None) -> np.ndarray:
    """The ids that `PhotoIndex.search` finds, among some images only where that is asked for."""
    if among is None:
        return index.search(query, k)[0]
    ids, _ = index.search(query, len(index))
    return ids[np.isin(ids, among)][:k]


def lifted(vectors: np.ndarray, exits: np.ndarray, affinity: np.ndarray, encoder: "Encoder") -> np.ndarray:
    """Vectors whose inner product with a lifted query is the rank score.

    Args: vectors: (N, D).  exits: (N,) 1-based.  affinity: (N,).
    Returns: (N, D + 1) float32.
    """
    slopes, offsets = encoder.scorer.lines(exits - 1, affinity)
    return np.hstack([vectors * slopes[:, None], offsets[:, None]]).astype(np.float32)


def lifted_query(query: Query) -> np.ndarray:
    """(D + 1,) float32; see `lifted`. What doubt and affinity add to a photo's score counts for words alone."""
    return np.append(query.vector, 0 if query.picture else 1).astype(np.float32)


def ranked(encoder: "Encoder", query: Query, candidates: Sequence[Candidate], photos: int) -> Ranking:
    """Score candidates one by one, and put them in order.

    Args: photos: how many there are in the collection.
    """
    candidates = sorted(candidates, key=lambda c: c.image_id)  # equal ones rank in this order
    vectors = np.stack([np.frombuffer(c.vector, np.float32) for c in candidates]) if candidates else np.empty((0, 1))
    cosines = vectors @ query.vector if candidates else np.empty(0)
    exits, affinity = np.array([c.exit for c in candidates], np.int64), np.array([c.affinity for c in candidates])
    estimate = encoder.scorer.estimate(cosines, exits - 1, affinity, query.picture)
    scores = _as_pictures(cosines, estimate.expected) if query.picture else encoder.scorer.rank_scores(estimate)
    order = np.argsort(-scores, kind="stable")
    own = np.isin([candidate.image_id for candidate in candidates], list(query.photos))
    own |= query.picture and cosines > 1 - SAME
    return Ranking(
        candidates=[candidates[place] for place in order],
        scores=scores[order].tolist(),
        own=own[order].tolist(),
        estimate=Estimate(estimate.expected[order], estimate.deviations[order]),
        photos=photos,
    )


def _as_pictures(cosines: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """(N,) rank scores for a query of pictures: what is expected, and the very picture that is asked with first."""
    same = cosines > 1 - SAME
    ahead = np.nextafter(expected[~same].max(initial=0), np.inf)
    return np.where(same, np.maximum(expected, ahead), expected)


def reranked(encoder: "Encoder", query: Query, ranking: Ranking, candidates: Sequence[Candidate]) -> Ranking:
    """A ranking after its candidates have changed, no index searched again; those not given here are gone.

    Args: candidates: of the ranking, as they are now.
    """
    return ranked(encoder, query, candidates, ranking.photos - len(ranking.candidates) + len(candidates))
