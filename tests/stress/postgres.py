"""What searching in PostgreSQL costs and misses: synthetic vectors of one model in a large, a middling and a small
collection, by the graph and by comparing all."""

import os
import sys
import time
from unittest.mock import patch

import numpy as np
from sqlalchemy import Engine, insert, text

from engine.search import pg_vector_index
from engine.search.pg_vector_index import PgIndex
from engine.search.query_parser import Query
from engine.search.ranking import lifted_query
from engine.storage.database import connect, for_writing, migrate
from engine.storage.schema import Base
from tests import postgres
from tests.stress.results import keep, whole_numbers
from tests.stress.size import STAMP, durations

DIM, LATENT, EXITS = 512, 48, 6
LINES = np.array([0.80, 0.85, 0.88, 0.92, 0.96, 1.0]), np.array([0.05, 0.04, 0.03, 0.02, 0.01, 0.0])
QUERIES, K = 100, 10
SETTINGS = {"shared_buffers": "1GB", "maintenance_work_mem": "2GB", "autovacuum": "on"}
# Collections by id, and the share of the vectors that each holds.
SHARES = {1: 0.7, 2: 0.29, 3: 0.01}


def vectors(count: int, seed: int) -> np.ndarray:
    """Unit vectors near a surface of few dimensions, as embeddings of photos lie: (count, DIM) float32."""
    draw, basis = np.random.default_rng(seed), np.random.default_rng(7).standard_normal((LATENT, DIM))
    found = np.empty((count, DIM), np.float32)
    for start in range(0, count, 50_000):
        part = found[start : start + 50_000]
        part[:] = draw.standard_normal((len(part), LATENT)) @ basis / np.sqrt(LATENT)
        part += 0.2 * draw.standard_normal(part.shape, dtype=np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return found


def fill(engine: Engine, made: np.ndarray, places: np.ndarray) -> float:
    """Rows of one model for vectors, in the collections of their places; returns the seconds that it took."""
    tables, began = Base.metadata.tables, time.perf_counter()
    galleries = [
        {"id": number, "name": f"{number}", "kind": "gallery", "created_at": 0.0, **vars(STAMP)} for number in SHARES
    ]
    with for_writing(engine).begin() as connection:
        connection.execute(insert(tables["collections"]), [{**g, "revision": 0, "queries": 0} for g in galleries])
    for start in range(0, len(made), 5000):
        numbers = range(start + 1, min(start + 5000, len(made)) + 1)
        image = {"width": 640, "height": 480, "bytes": 100_000, "added_at": 0.0}
        encoding = {"gates": bytes(200), "phrases": [[["a dog", 0.5]]] * 4, "macs_index": 5 * 10**8, "macs_query": 0}
        same = {**encoding, "model": STAMP.key, "milliseconds": 5.0, "budget": 0.75}
        with for_writing(engine).begin() as connection:
            images = [
                {**image, "id": n, "collection_id": int(places[n - 1]), "content_hash": f"{n:064x}", "name": f"{n}.jpg"}
                for n in numbers
            ]
            connection.execute(insert(tables["images"]), [{**row, "revision": row["id"]} for row in images])
            encodings = [
                {
                    **same,
                    "image_id": n,
                    "collection_id": int(places[n - 1]),
                    "vector": made[n - 1].tobytes(),
                    "exit": n % EXITS + 1,
                }
                for n in numbers
            ]
            connection.execute(insert(tables["encodings"]), encodings)
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("VACUUM ANALYZE encodings"))
    return time.perf_counter() - began


def best(made: np.ndarray, queries: np.ndarray, mine: np.ndarray) -> list[set[int]]:
    """The ids of the true K best of each query among the vectors that count, (N,) bool."""
    slopes, offsets = LINES
    exits = np.arange(1, len(made) + 1) % EXITS
    found = []
    for query in queries:
        scores = np.where(mine, made @ query * slopes[exits] + offsets[exits], -np.inf)
        found.append(set((np.argpartition(-scores, K)[:K] + 1).tolist()))
    return found


def run(count: int) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Searches, and graphs, one a row."""
    binaries = postgres.programs()
    if binaries is None:
        raise SystemExit("PostgreSQL with pgvector is missing (Debian: postgresql-17 and postgresql-17-pgvector)")
    made, queries = vectors(count, seed=0), vectors(QUERIES, seed=1)
    places = np.random.default_rng(2).choice(list(SHARES), count, p=list(SHARES.values()))
    with postgres.cluster(binaries, SETTINGS) as cluster:
        engine = connect(cluster.create())
        migrate(engine)
        filled = fill(engine, made, places)
        searches, graphs = [], []
        with patch.object(pg_vector_index, "KIND", "vector"):
            whole = PgIndex(engine, 1, STAMP.key, DIM, LINES, 0.0)
        half = PgIndex(engine, 1, STAMP.key, DIM, LINES, 0.0)
        searches.append(searched("comparing all", half, made, queries, places == 1))
        for kind, index in (("vector", whole), ("halfvec", half)):
            began = time.perf_counter()
            index.build()
            built = time.perf_counter() - began
            assert index.ready
            with engine.connect() as connection:
                size = connection.scalar(
                    text("SELECT pg_relation_size(CAST(:name AS regclass))"), {"name": index.graph}
                )
                rows = connection.scalar(text("SELECT pg_table_size('encodings')"))
            graphs.append(
                {
                    "graph of": kind,
                    "vectors": count,
                    "build, s": round(built, 1),
                    "graph, bytes a vector": round(size / count),
                    "rows, bytes a vector": round(rows / count),
                    "rows written, a second": round(count / filled),
                    "load of the machine": round(os.getloadavg()[2], 1),
                }
            )
            searches.append(searched(f"graph of {kind}", index, made, queries, places == 1))
        alone = PgIndex(engine, 1, STAMP.key, DIM, LINES, 0.0)
        alone._built = True
        alone._mine = alone._mine.replace("collection_id = :collection", ":collection > 0")
        searches.append(searched("graph of halfvec, no filter", alone, made, queries, places > 0))
        for collection in (2, 3):
            mine = PgIndex(engine, collection, STAMP.key, DIM, LINES, 0.0)
            mine.catch_up(None)
            how = "graph of halfvec" if mine.ready else "comparing all"
            searches.append(searched(how, mine, made, queries, places == collection))
        engine.dispose()
    return searches, graphs


def searched(how: str, index: PgIndex, made: np.ndarray, queries: np.ndarray, mine: np.ndarray) -> dict[str, object]:
    """Recall of the K best, and times of a search for them."""
    found = [set(index.search(lifted_query(Query(query)), K)[0].tolist()) for query in queries]
    recall = np.mean([len(ids & true) / K for ids, true in zip(found, best(made, queries, mine), strict=True)])
    p50, p95 = durations(lambda number: index.search(lifted_query(Query(queries[number])), K), QUERIES)
    return {
        "search": how,
        "of the model's vectors": f"{int(mine.sum())} of {len(made)}",
        f"recall@{K}": f"{recall:.4f}",
        "p50, ms": p50,
        "p95, ms": p95,
    }


def write(searches: list[dict[str, object]], graphs: list[dict[str, object]]) -> None:
    """Put a run's tables into the results."""
    keep(
        "postgres",
        "PostgreSQL: searches",
        f"Synthetic vectors of {DIM} numbers of one model, {LATENT} of them independent, in three collections; "
        f"{QUERIES} queries for the {K} best of one, against comparing all in numpy. Client and server on one machine.",
        searches,
    )
    keep(
        "postgres (graph)",
        "PostgreSQL: graphs",
        "What the graphs of that run took. Times are worth little where the load of the machine, a mean over 15 "
        "minutes, is above its cores.",
        graphs,
    )


if __name__ == "__main__":
    write(*run(whole_numbers(__doc__, vectors=100_000).vectors))
    sys.stdout.write("kept in docs/results/robustness.md\n")
