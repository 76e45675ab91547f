"""Restart PostgreSQL under load: each call succeeds or is a sentence, and nothing is lost or half there afterwards."""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

from PIL import Image

from engine.gallery import EngineError, Library, Upload, ingest_files, list_photos, open_gallery, search_photos
from engine.storage.database import Database
from tests import postgres
from tests.fake_encoder import FakeEncoder
from tests.pictures import encoded
from tests.stress.results import keep, whole_numbers

SEARCHERS = 4
BATCH = 16  # photos of one call
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}  # as servers are; tests do without
AGAIN = 30.0  # seconds after a restart until a search has to succeed


class Caller(Thread):
    """Calls something again and again until it is told to stop."""

    def __init__(self, call: Callable[[], object], over: Event) -> None:
        super().__init__(daemon=True)
        self._call, self._over = call, over
        self.counts: Counter[str] = Counter()
        self.failure: Exception | None = None

    def run(self) -> None:
        """Count what succeeds and what is refused in a sentence; anything else ends it."""
        while not self._over.is_set():
            try:
                self._call()
                self.counts["succeeded"] += 1
            except EngineError:
                self.counts["refused"] += 1
                time.sleep(0.05)
            except Exception as error:
                self.failure = error
                return


def run(restarts: int, pause: float = 3.0) -> dict[str, Any]:
    """Restart a server so often while photos come in and searches go on; returns what happened."""
    binaries = postgres.programs()
    assert binaries is not None, "PostgreSQL with pgvector is missing"
    with postgres.cluster(binaries, DURABLE) as cluster:
        os.environ["TGEM_DATABASE_URL"] = cluster.create()
        database = Database.open()
        library = Library(database, FakeEncoder)
        gallery = open_gallery(library, "restarted")
        added: list[str] = []

        def add() -> None:
            names = [f"{len(added) + number}.png" for number in range(BATCH)]
            files = {name: encoded(Image.new("RGB", (8, 8), _colour(name)), "PNG") for name in names}
            uploads = [Upload(name, lambda data=data: data) for name, data in files.items()]  # type: ignore[misc]
            report = ingest_files(library, gallery, uploads)
            assert report.added + report.duplicates == BATCH, report
            added.extend(names)

        add()
        over = Event()
        search = lambda: search_photos(library, gallery, "red")  # noqa: E731
        callers = [Caller(add, over), *(Caller(search, over) for _ in range(SEARCHERS))]
        for caller in callers:
            caller.start()
        waits = [_restarted(cluster, search, pause) for _ in range(restarts)]
        over.set()
        for caller in callers:
            caller.join(60)
            assert caller.failure is None, repr(caller.failure)
        kept = [photo.file for photo in list_photos(library, gallery, 10**6)]
        assert len(kept) == len(set(kept))
        assert set(added) <= set(kept), "a photo that was said to be in is lost"
        database.close()
    searches = sum((caller.counts for caller in callers[1:]), Counter())
    return {
        "restarts": restarts,
        "photos": len(kept),
        "batches added": callers[0].counts["succeeded"] + 1,
        "batches refused": callers[0].counts["refused"],
        "searches": searches["succeeded"],
        "searches refused": searches["refused"],
        "longest until a search succeeded again, s": round(max(waits), 1),
    }


def _colour(name: str) -> tuple[int, int, int]:
    number = int(name.partition(".")[0])
    return number % 256, number // 256 % 256, number // 65536


def _restarted(cluster: postgres.Cluster, search: Callable[[], object], pause: float) -> float:
    """Restart the server; returns the seconds from then on until a search succeeds."""
    time.sleep(pause)
    cluster.restart()
    began = time.monotonic()
    while True:
        try:
            search()
            return time.monotonic() - began
        except EngineError:
            assert time.monotonic() - began < AGAIN
            time.sleep(0.05)


if __name__ == "__main__":
    row = run(whole_numbers(__doc__, restarts=10).restarts)
    sys.stderr.write(f"{row}\n")
    keep(
        "postgres_restart",
        "PostgreSQL restarted under load",
        "A server is stopped at once and started again while one thread adds photos and four search (a small encoder "
        "in the model's place). Each call succeeds or is a sentence; afterwards every photo that was said to be in is "
        "there, once.",
        [row],
    )
