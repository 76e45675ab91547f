"""Which kind of index of its vectors a collection gets: in memory, or in PostgreSQL."""

from typing import TYPE_CHECKING

import numpy as np

from engine.search.faiss_index import FaissIndex
from engine.search.pg_vector_index import PgIndex
from engine.storage.database import Database
from engine.storage.schema import stamp_of

if TYPE_CHECKING:
    from engine.exits.encoder import Encoder

PhotoIndex = FaissIndex | PgIndex


def index_of(database: Database, collection_id: int, encoder: "Encoder") -> PhotoIndex:
    """A new index of a collection: in the database where it can search vectors, else in memory."""
    engine = database.vector_search
    if engine is None:
        return FaissIndex(encoder.dim + 1)
    lines = encoder.scorer.lines(np.arange(encoder.exits), np.zeros(encoder.exits))
    return PgIndex(engine, collection_id, stamp_of(encoder).key, encoder.dim, lines, encoder.scorer.affinity_weight)
