"""What a ranking needs of an index of vectors, and which kind a collection gets: in memory, or in PostgreSQL."""

from typing import TYPE_CHECKING, Protocol

import numpy as np

from engine.search.faiss_index import FaissIndex, ReadChanges
from engine.search.pg_vector_index import PgIndex
from engine.storage.database import Database
from engine.storage.schema import stamp_of

if TYPE_CHECKING:
    from engine.exits.photo_encoder import PhotoEncoder


class PhotoIndex(Protocol):
    """What a ranking needs of the vectors of one collection; safe to use from many threads."""

    def __len__(self) -> int:
        """How many vectors there were when it last caught up."""

    def catch_up(self, changes: ReadChanges, /) -> None:
        """Know the rows that have come or changed since the last time; see `engine.search.faiss_index.FaissIndex`."""

    def remove(self, ids: np.ndarray, /) -> None:
        """Know that vectors are gone, by their (N,) int64 ids."""

    def search(self, query: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The (N,) ids and scores of the k best for a lifted query (D + 1,), best first; equals in order of id."""


def index_of(database: Database, collection_id: int, encoder: "PhotoEncoder") -> PhotoIndex:
    """A new index of a collection: in the database where it can search vectors, else in memory."""
    engine = database.vector_search
    if engine is None:
        return FaissIndex(encoder.dim + 1)
    lines = encoder.scorer.lines(np.arange(encoder.exits), np.zeros(encoder.exits))
    return PgIndex(engine, collection_id, stamp_of(encoder).key, encoder.dim, lines, encoder.scorer.affinity_weight)
