"""Vector search over one collection in PostgreSQL itself: exact while it is small, by an HNSW graph once it is not.

The rows are the index: what a transaction writes is found as soon as it is committed, by every process, and what goes
is gone. A graph holds half-precision vectors of one model, of all collections; scores are always of the whole ones.
"""

import hashlib
import logging
import time
import zlib
from collections.abc import Sequence
from threading import Lock, Thread

import numpy as np
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from engine.storage.database import explaining_errors
from engine.storage.postgres import WAIT, reason

KIND = "halfvec"  # of the graph's vectors: half the bytes of `vector`, and the same photos are found
EXACT = 20_000  # vectors of a collection up to which every one is compared
RECOUNT_SECONDS = 60.0  # a count of more than those is as old as that at most
M, BUILT_WITH = 16, 128  # neighbours of a vector, and candidates for them as the graph is built
# Least candidates of a search, and pgvector's limit. Of 200,000 vectors 200 find 83 to 89 % of the ten best, 800 97 %.
LOOKED_AT, MOST = 800, 1000
SCANNED = 100_000  # vectors that a search looks at where a filter leaves it short

log = logging.getLogger(__name__)


class PgIndex:
    """Inner products with the vectors of a collection; safe to use from many threads and processes."""

    def __init__(
        self,
        engine: Engine,
        collection_id: int,
        model: str,
        dim: int,
        lines: tuple[np.ndarray, np.ndarray],
        affinity_weight: float,
    ) -> None:
        """Args:
        model: key of the stamp.
        lines: slopes and offsets of the scores at each exit; see `ranking.lifted`.
        affinity_weight: what a photo's affinity to the text bank is multiplied by, to lower its score.
        """
        self._engine, self._collection_id, self._dim = engine, collection_id, dim
        self._model = "'" + model.replace("'", "''") + "'"  # the planner knows a graph by a constant
        slopes, offsets = map(_array, lines)
        self._kind = KIND
        self._slope = f"({slopes})[exit]"
        self._offset = f"({offsets})[exit] - {_real(affinity_weight)} * affinity::real"
        # Row by row what `ranking.lifted` makes, so that the nearest by inner product are the best.
        self._lifted = (
            f"((vector * array_fill({self._slope}, ARRAY[{dim}])::vector) || "
            f"ARRAY[{self._offset}]::vector)::{KIND}({dim + 1})"
        )
        self._mine = f"collection_id = :collection AND model = {self._model}"
        self.graph = "hnsw_" + hashlib.sha256(f"{self._model} {self._lifted}".encode()).hexdigest()[:16]
        self._count, self._counted = 0, -RECOUNT_SECONDS
        self._built = False  # the graph is whole
        self._others = False  # some photos left by other phrases, and are not in it
        self._building: Thread | None = None
        self._lock = Lock()

    def __len__(self) -> int:
        return self._count

    @property
    def ready(self) -> bool:
        """The graph has all of the collection's vectors."""
        return self._built and not self._others

    def catch_up(self, _: object) -> None:
        """Count what there is; a collection that has become large has its model's graph built meanwhile."""
        if len(self) > EXACT and time.monotonic() - self._counted < RECOUNT_SECONDS:
            return
        mine = {"collection": self._collection_id}
        rows = "FROM encodings WHERE collection_id = :collection"
        others = f"SELECT EXISTS (SELECT 1 {rows} AND model <> {self._model})"
        with explaining_errors(self._engine), self._engine.connect() as connection:
            self._count = connection.scalar(text(f"SELECT count(*) {rows}"), mine) or 0
            self._counted = time.monotonic()
            self._built = len(self) > EXACT and self._state(connection) is True
            self._others = len(self) > EXACT and bool(connection.scalar(text(others), mine))
        if len(self) > EXACT and not self._built:
            self._start()

    def remove(self, ids: np.ndarray) -> None:
        """Nothing: the vectors went with their rows."""

    def search(self, query: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k best vectors for a query, best first; equal scores in order of id.

        Args:
            query: (D + 1,) float32, lifted; see `ranking.lifted_query`.
        Returns: (N,) int64 ids and (N,) float32 scores, N = min(k, vectors held).
        """
        if k < 1:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        with explaining_errors(self._engine), self._engine.connect() as connection:
            rows = self._near(connection, query, k) if self.ready else None
            if rows is None or len(rows) < min(k, len(self)):
                # No graph yet; or the collection is so small a part of it that looking further would take longer.
                rows = self._all(connection, query, k)
        return np.array([row[0] for row in rows], np.int64), np.array([row[1] for row in rows], np.float32)

    def build(self) -> None:
        """Build the graph of the model, unless it is there or another process builds it; writers go on meanwhile."""
        engine = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        key = {"key": zlib.crc32(self.graph.encode())}
        try:
            with engine.connect() as connection:
                if not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), key):
                    return
                try:
                    for limit in ("lock_timeout", "statement_timeout"):
                        connection.exec_driver_sql(f"SET {limit} = 0")
                    if self._state(connection) is False:  # a sudden death left a part of it
                        connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY IF EXISTS {self.graph}")
                    connection.exec_driver_sql(
                        f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {self.graph} ON encodings USING hnsw "
                        f"(({self._lifted}) {self._kind}_ip_ops) WITH (m = {M}, ef_construction = {BUILT_WITH}) "
                        f"WHERE model = {self._model}"
                    )
                    self._built = True
                finally:
                    connection.execute(text("SELECT pg_advisory_unlock(:key)"), key)
                    connection.exec_driver_sql(f"SET lock_timeout = '{WAIT}'")
                    connection.exec_driver_sql("RESET statement_timeout")
        except SQLAlchemyError as error:
            said = reason(error) if isinstance(error, DBAPIError) else str(error)
            log.warning("The search graph %s was not built (%s); photos are compared one by one.", self.graph, said)

    def _start(self) -> None:
        """Build in the background: searches compare every vector meanwhile."""
        with self._lock:
            if self._building is None or not self._building.is_alive():
                self._building = Thread(target=self.build, name="hnsw", daemon=True)
                self._building.start()

    def _state(self, connection: Connection) -> bool | None:
        """Whether the graph can be searched; None where there is none."""
        found = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
        return connection.scalar(found, {"name": self.graph})

    def _near(self, connection: Connection, query: np.ndarray, k: int) -> Sequence[tuple[int, float]]:
        """By the graph: a few more than asked for, since half precision may swap neighbours, then exactly."""
        wanted = k + k // 4 + 8
        for setting in (
            "hnsw.iterative_scan = relaxed_order",
            f"hnsw.ef_search = {min(max(LOOKED_AT, wanted), MOST)}",
            f"hnsw.max_scan_tuples = {max(SCANNED, 2 * wanted)}",
            "hnsw.scan_mem_multiplier = 8",  # of work_mem, by default 4 MB: room for as many as that
            "enable_sort = off",  # a graph gives them in order; all of them would have to be sorted
        ):
            connection.exec_driver_sql(f"SET LOCAL {setting}")
        near = (
            f"SELECT image_id, exit, affinity, vector FROM encodings WHERE {self._mine} "
            f"ORDER BY {self._lifted} <#> CAST(:lifted AS {self._kind}({self._dim + 1})) LIMIT {wanted}"
        )
        return self._scored(connection, f"WITH near AS MATERIALIZED ({near})", "near", query, k)

    def _all(self, connection: Connection, query: np.ndarray, k: int) -> Sequence[tuple[int, float]]:
        """By comparing every vector."""
        return self._scored(connection, "", "encodings WHERE collection_id = :collection", query, k)

    def _scored(
        self, connection: Connection, head: str, rows: str, query: np.ndarray, k: int
    ) -> Sequence[tuple[int, float]]:
        lift = f"{_real(float(query[-1]))} * ({self._offset})"
        score = f"({self._slope} * -(vector <#> CAST(:query AS vector)) + {lift})::real"
        found = text(f"{head} SELECT image_id, {score} AS score FROM {rows} ORDER BY score DESC, image_id LIMIT {k}")
        asked = {"collection": self._collection_id, "query": _vector(query[:-1])}
        if head:
            asked["lifted"] = _vector(query)
        return [(row[0], row[1]) for row in connection.execute(found, asked)]


def _array(values: np.ndarray) -> str:
    return "'{" + ",".join(repr(float(np.float32(value))) for value in values) + "}'::real[]"


def _real(value: float) -> str:
    return f"'{float(np.float32(value))!r}'::real"


def _vector(values: np.ndarray) -> str:
    return "[" + ",".join(repr(float(value)) for value in values) + "]"
