"""Exact vector search over one collection; derived from the store's rows and never kept on disk."""

from collections.abc import Callable
from threading import Lock

import faiss
import numpy as np

CHUNK = 10_000  # vectors read at once: 20 MB at 512 dimensions

Changes = Callable[[int, int], tuple[np.ndarray, np.ndarray, np.ndarray]]


class VectorIndex:
    """Inner products with every vector of a collection; safe to use from many threads.

    It draws its rows from the store, as far as they have come, so no writer has to know of it.
    """

    def __init__(self, dim: int) -> None:
        self._index = faiss.IndexIDMap2(faiss.IndexFlatIP(dim))
        self._revision = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return self._index.ntotal

    def catch_up(self, changes: Changes) -> None:
        """Take in the rows that have come or changed since the last time.

        Args:
            changes: (revision, limit) -> (N,) int64 revisions above that one, ascending, and the (N,) int64 ids and
                (N, D) float32 vectors that they gave.
        """
        with self._lock:
            while True:
                revisions, ids, vectors = changes(self._revision, CHUNK)
                if not len(ids):
                    return
                held = faiss.vector_to_array(self._index.id_map)
                replaced = ids[np.isin(ids, held)]
                if len(replaced):
                    self._index.remove_ids(faiss.IDSelectorBatch(replaced))
                self._index.add_with_ids(vectors, ids)
                self._revision = int(revisions[-1])

    def search(self, query: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k best vectors for a query, best first; equal scores in order of id.

        Args:
            query: (D,) float32.
        Returns: (N,) int64 ids and (N,) float32 scores, N = min(k, vectors held).
        """
        with self._lock:
            # One more than asked for tells whether the last place is shared.
            wanted = min(k + 1, len(self))
            if k < 1 or not wanted:
                return np.empty(0, np.int64), np.empty(0, np.float32)
            scores, ids = (found[0] for found in self._index.search(query[None], wanted))
            if wanted > k and scores[k] == scores[k - 1]:
                # FAISS leaves open which of several equals it returns: take them all, then the lowest ids.
                _, scores, ids = self._index.range_search(query[None], float(np.nextafter(scores[k], -np.inf)))
        order = np.lexsort((ids, -scores))[:k]
        return ids[order], scores[order]
