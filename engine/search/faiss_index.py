"""FAISS index over one collection, rebuilt from the database's rows, which are the truth; never kept on disk."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import faiss
import numpy as np

CHUNK = 10_000  # vectors read at once: 20 MB at 512 dimensions
EXACT = 200_000  # vectors up to which every one is compared
# Above, vectors lie in cells around as many centres, and only the cells nearest to a query are looked into:
# `python -m tests.stress.size` measures what they cost and miss (docs/results/robustness.md, to a million vectors).
CELLS = 1024
LOOKED_INTO = 96
TRAINED_ON = 64 * CELLS  # vectors that the centres are found from

ReadChanges = Callable[[int, int], tuple[np.ndarray, np.ndarray, np.ndarray]]


class FaissIndex:
    """Inner products with the vectors of a collection; safe to use from many threads.

    It draws its rows from the store, as far as they have come, so no writer has to know of it.
    """

    def __init__(self, dim: int) -> None:
        self._index: Any = faiss.IndexIDMap2(faiss.IndexFlatIP(dim))  # faiss types little of itself
        self._dim = dim
        self._revision = self._highest = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return self._index.ntotal

    @property
    def exact(self) -> bool:
        """Every vector is compared with a query."""
        return isinstance(self._index, faiss.IndexIDMap2)

    def catch_up(self, changes: ReadChanges) -> None:
        """Take in the rows that have come or changed since the last time.

        Args:
            changes: (revision, limit) -> (N,) int64 revisions above that one, ascending, and the (N,) int64 ids and
                (N, D) float32 vectors that they gave. Ids of new rows are above all those before.
        """
        with self._lock:
            while True:
                revisions, ids, vectors = changes(self._revision, CHUNK)
                if not len(ids):
                    break
                self._remove(ids[ids <= self._highest])
                self._index.add_with_ids(vectors, ids)
                self._revision, self._highest = int(revisions[-1]), max(self._highest, int(ids.max()))
            if self.exact and len(self) > EXACT:
                self._into_cells()

    def remove(self, ids: np.ndarray) -> None:
        """Forget vectors by their (N,) int64 ids; those that are not there do not matter."""
        with self._lock:
            self._remove(ids)

    def search(self, query: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k best vectors for a query, best first; equal scores in order of id.

        Args:
            query: (D,) float32.
        Returns: (N,) int64 ids and (N,) float32 scores, N = min(k, vectors held); over EXACT vectors it may be less,
            unless all of them are asked for.
        """
        with self._lock, _one_thread():
            # One more than asked for tells whether the last place is shared.
            wanted = min(k + 1, len(self))
            if k < 1 or not wanted:
                return np.empty(0, np.int64), np.empty(0, np.float32)
            everywhere: Any = None
            if not self.exact and (k >= len(self) or len(self) <= EXACT):  # few are left
                everywhere = faiss.SearchParametersIVF()
                everywhere.nprobe = self._index.nlist
            scores, ids = (found[0] for found in self._index.search(query[None], wanted, params=everywhere))
            scores, ids = scores[ids >= 0], ids[ids >= 0]  # the cells looked into may hold less
            if len(ids) > k and scores[k] == scores[k - 1]:
                # FAISS leaves open which of several equals it returns: take them all, then the lowest ids.
                edge = float(np.nextafter(scores[k], -np.inf))
                _, scores, ids = self._index.range_search(query[None], edge, params=everywhere)
        order = np.lexsort((ids, -scores))[:k]
        return ids[order], scores[order]

    def _remove(self, ids: np.ndarray) -> None:
        if len(ids):
            self._index.remove_ids(faiss.IDSelectorBatch(ids))

    def _into_cells(self) -> None:
        """From comparing all to looking into cells; they stay what they are as vectors come and go."""
        ids = faiss.vector_to_array(self._index.id_map)
        flat: Any = faiss.downcast_index(self._index.index)
        vectors = faiss.vector_to_array(flat.codes).view(np.float32)
        vectors = vectors.reshape(-1, self._dim)
        cells = faiss.IndexIVFFlat(faiss.IndexFlatIP(self._dim), self._dim, CELLS, faiss.METRIC_INNER_PRODUCT)
        cells.cp.niter, cells.cp.seed = 10, 0
        cells.nprobe = LOOKED_INTO
        sample = np.random.default_rng(0).choice(len(ids), min(TRAINED_ON, len(ids)), replace=False)
        cells.train(vectors[np.sort(sample)])
        cells.add_with_ids(vectors, ids)
        self._index = cells


@contextmanager
def _one_thread() -> Iterator[None]:
    """Have FAISS search in the thread that asks, which alone this changes.

    It shares out one query's answers, which is no work, and its threads then spin until the last of them is done: on a
    busy machine many times as long as the search.
    """
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:  # PyTorch may go by the same number
        faiss.omp_set_num_threads(before)
