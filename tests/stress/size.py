"""How a gallery's costs grow with its size: synthetic vectors through the database, and through the index alone."""

import argparse
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from engine.exits.encoder import Encoder
from engine.exits.loading import load_encoder
from engine.search.faiss_index import EXACT, FaissIndex
from engine.search.query_parser import Query
from engine.search.ranking import Rankings
from engine.storage.collections import TotalsCache, delete_collection, get_collection, open_collection
from engine.storage.database import Database
from engine.storage.images import add_images, delete_images, get_images, list_images
from engine.storage.schema import EncodingRow, ImageRow, ModelStamp
from tests.stress.results import keep

DIM = 512
STAMP = ModelStamp("synthetic", "a" * 64, "b" * 64, exits=3, full_macs=10**9)
BATCH = 1000
QUERIES = 60


def vectors(count: int, seed: int = 0) -> np.ndarray:
    """Unit vectors in many clouds, as embeddings of photos lie: (count, DIM) float32."""
    draw = np.random.default_rng(seed)
    centres = np.random.default_rng(7).standard_normal((500, DIM)).astype(np.float32)
    found = np.empty((count, DIM), np.float32)
    for start in range(0, count, 50_000):
        part = found[start : start + 50_000]
        part[:] = centres[draw.integers(0, 500, len(part))] + draw.standard_normal(part.shape, dtype=np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return found


def resident() -> int:
    """Megabytes of this process in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() >> 20


def durations(call: Callable[[int], object], times: int) -> tuple[float, float]:
    """50th and 95th percentile of a call's milliseconds."""
    found = []
    for number in range(times):
        began = time.perf_counter()
        call(number)
        found.append((time.perf_counter() - began) * 1000)
    return round(float(np.percentile(found, 50)), 2), round(float(np.percentile(found, 95)), 2)


def through_the_store(count: int, encoder: Encoder) -> dict[str, object]:
    """A gallery of so many photos: filled, opened, searched, added to, deleted from."""
    made, queries = vectors(count + BATCH), vectors(QUERIES, seed=1)

    def rows(start: int, end: int) -> list[ImageRow]:
        return [
            ImageRow(
                content_hash=f"{number:064x}",
                name=f"{number}.jpg",
                width=640,
                height=480,
                bytes=100_000,
                added_at=0.0,
                encoding=EncodingRow(
                    model=STAMP.key,
                    vector=made[number].tobytes(),
                    exit=number % 3 + 1,
                    gates=bytes(4 * 11 * min(number % 6 + 1, 5)),
                    phrases=[[("a dog", 0.5)]] * (number % 6 + 1),
                    macs_index=5 * 10**8,
                    milliseconds=5.0,
                    budget=0.75,
                ),
            )
            for number in range(start, end)
        ]

    with TemporaryDirectory() as name:
        home = Path(name)
        database = Database.open(home)
        gallery = open_collection(database, "large", "gallery", None)
        # The pictures are not what is measured: one small file stands for each.
        pictures = {f"{number:064x}": b"\xff\xd8" for number in range(count + BATCH)}
        began = time.perf_counter()
        for start in range(0, count, BATCH):
            add_images(database, gallery, STAMP, rows(start, start + BATCH), pictures, {})
        filled = time.perf_counter() - began
        database.close()

        database = Database.open(home)
        rankings = Rankings(database)

        def search(number: int) -> list[int]:
            ids = rankings.ranking(gallery, encoder, Query(queries[number % QUERIES]), 24).ids
            assert len(get_images(database, ids[:24])) == 24
            return ids

        before = resident()
        began = time.perf_counter()
        search(0)
        opened = time.perf_counter() - began
        grown = resident() - before
        p50, p95 = durations(search, QUERIES)
        began = time.perf_counter()
        add_images(database, gallery, STAMP, rows(count, count + BATCH), pictures, {})
        search(0)
        added = time.perf_counter() - began
        gone = [row.id for row in list_images(database, gallery, BATCH)]
        began = time.perf_counter()
        delete_images(database, gallery, gone)
        rankings.remove(gallery, gone)
        deleted = time.perf_counter() - began
        assert not set(search(0)) & set(gone)
        began = time.perf_counter()
        assert TotalsCache(database).of(get_collection(database, gallery)).photos == count
        totals = time.perf_counter() - began
        size = (home / "tgem.db").stat().st_size >> 20
        began = time.perf_counter()
        delete_collection(database, gallery)
        emptied = time.perf_counter() - began
        database.close()
    return {
        "photos": count,
        "first search ready, s": round(opened, 2),
        "search p50, ms": p50,
        "search p95, ms": p95,
        "add 1000, s": round(added, 2),
        "delete 1000, s": round(deleted, 2),
        "totals, s": round(totals, 2),
        "fill, s": round(filled, 1),
        "delete all, s": round(emptied, 1),
        "index, MB": grown,
        "database, MB": size,
    }


def through_the_index(count: int) -> dict[str, object]:
    """The index alone: recall against comparing all, time, and removals."""
    made, queries = vectors(count), vectors(QUERIES, seed=1)
    numbers = np.arange(1, count + 1, dtype=np.int64)
    index = FaissIndex(DIM)

    def changes(after: int, limit: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        part = slice(after, after + limit)
        return numbers[part], numbers[part], made[part]

    before, began = resident(), time.perf_counter()
    index.catch_up(changes)
    built, grown = time.perf_counter() - began, resident() - before
    p50, p95 = durations(lambda number: index.search(queries[number], 24), QUERIES)
    best = np.concatenate(
        [np.argpartition(-(queries[n : n + 10] @ made.T), 24, axis=1)[:, :24] for n in range(0, 60, 10)]
    )
    found = [set(index.search(query, 24)[0].tolist()) for query in queries]
    recall = np.mean([len(ids & set((row + 1).tolist())) / 24 for ids, row in zip(found, best, strict=True)])
    gone = numbers[::100]
    began = time.perf_counter()
    index.remove(gone)
    removed = time.perf_counter() - began
    assert len(index) == count - len(gone)
    assert not {id for query in queries for id in index.search(query, 24)[0].tolist()} & set(gone.tolist())
    return {
        "vectors": count,
        "kind": "exact" if index.exact else "cells",
        "recall at 24": f"{recall:.3f}",
        "search p50, ms": p50,
        "search p95, ms": p95,
        "build, s": round(built, 1),
        "remove 1 in 100, s": round(removed, 2),
        "memory, MB": grown,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    parser.add_argument("--vectors", type=int, nargs="*", default=[100_000, EXACT, 400_000, 1_000_000])
    given = parser.parse_args()
    if given.photos:
        keep(
            "size",
            "Size: a gallery through the database",
            f"Synthetic vectors of {DIM} numbers through the database and index: a search is the index brought up to "
            "date, the best photos read by their exits' T-GEMs, the 24 best of them, and their rows.",
            [through_the_store(count, load_encoder()) for count in given.photos],
        )
    if given.vectors:
        keep(
            "size (index)",
            "Size: the index alone",
            f"Exact up to {EXACT:,} vectors, cells above; recall is the share of the true 24 best that are found.",
            [through_the_index(count) for count in given.vectors],
        )
    sys.stdout.write("kept in docs/results/robustness.md\n")
