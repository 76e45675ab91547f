"""The same photos indexed by one process and by a Ray cluster of two workers: the same result, and at what rate.

Photos are decoded and encoded twice; what the cluster made is then written again to another SQLite, and to
PostgreSQL where it is installed, to see what writing costs and whether both find the same.
"""

import argparse
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from engine.exits.batch import Encoding
from engine.exits.budget import DEFAULT_BUDGET
from engine.exits.encoder import Encoder
from engine.exits.loading import load_encoder
from engine.gallery import Library, Upload, folder_uploads
from engine.gallery.galleries import delete_gallery, open_gallery
from engine.gallery.ingest import ingest_files
from engine.gallery.search import search_photos
from engine.gallery.types import IngestReport
from engine.ingest.decode import BATCH, decode_batch
from engine.ingest.pipeline import EncodeFiles, Known, Made, encode_here
from engine.ingest.ray_pipeline import on_ray
from engine.storage.database import Database
from engine.storage.images import list_images
from tests import postgres
from tests.stress.results import SCALE, keep

QUERIES = (
    *("a dog runs through snow", "two children play football", "a man climbs a rock", "a woman in a red dress"),
    *("people on a beach", "a boy jumps into a pool", "a cyclist on a dirt track", "a crowd at a concert"),
    *("a dog catches a ball", "a girl on a swing", "a surfer on a wave", "a man plays guitar", "a snowy mountain"),
    *("a horse race", "a street at night", "someone on a skateboard", "a baby laughs", "two dogs fight"),
    *("a motorcycle in mud", "a boat on a lake"),
)
PAGE = 10  # photos of a search that are compared
SAMPLE = 256  # photos that the rates of single steps are measured on
SAME_EXITS, SAME_VECTORS = 0.995, 0.9999


Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Indexed:
    """A gallery after an ingest."""

    folder: Path
    database: Database
    library: Library
    gallery: int
    report: IngestReport

    def photos(self) -> dict[str, tuple[int, np.ndarray]]:
        """Exit and vector by content hash; raises AssertionError where a photo is there twice."""
        rows = list_images(self.database, self.gallery, 10**9)
        found = {row.content_hash: (row.encoding.exit, np.frombuffer(row.encoding.vector, np.float32)) for row in rows}
        assert len(found) == len(rows), "a photo is there twice"
        return found

    def found(self) -> list[list[str]]:
        """The first page of every query, as content hashes."""
        return [[h.photo.content_hash for h in search_photos(self.library, self.gallery, q, PAGE)] for q in QUERIES]


@contextmanager
def indexed(
    encoder: Encoder, uploads: Sequence[Upload], encode: EncodeFiles, url: str | None = None
) -> Iterator[Indexed]:
    """Take files into a new gallery of a new data folder; in the database at a URL where one is given."""
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        if url is not None:
            os.environ["TGEM_DATABASE_URL"] = url
        database = Database.open(Path(folder))
        library = Library(database, lambda: encoder)
        gallery = open_gallery(library, f"scale {time.time():.0f}")
        try:
            report = ingest_files(library, gallery, uploads, on_progress=_said(), encode=encode)
            yield Indexed(Path(folder), database, library, gallery, report)
            if url is not None:
                delete_gallery(library, gallery)
        finally:
            database.close()
            os.environ.pop("TGEM_DATABASE_URL", None)


def run(uploads: Sequence[Upload], workers: int, url: str | None, model: str | None = None) -> tuple[Rows, Rows]:
    """Index and compare: a row for each way, and what a photo takes.

    Raises AssertionError where the ways differ by more than they may.
    """
    encoder = load_encoder(model)
    recorded: list[list[Made]] = []

    def replay(*_: object) -> Iterator[list[Made]]:
        yield from recorded

    with indexed(encoder, uploads, encode_here) as alone, on_ray("ray", partial(load_encoder, model), workers) as ray:

        def recording(
            files: Sequence[Upload], known: Known, encoder: Encoder, budget: float | None
        ) -> Iterator[list[Made]]:
            for batch in ray(files, known, encoder, budget):
                recorded.append(batch)
                yield batch

        with indexed(encoder, uploads, recording) as together:
            ways = [
                _row("one process, SQLite and FAISS", alone, alone),
                _row(f"Ray, {workers} workers", together, alone),
            ]
            ways[1]["busy"] = f"{ray.busy.utilisation:.0%}"
            with indexed(encoder, uploads, replay) as written:
                ways.append(_row("the cluster's encodings written to another SQLite", written, together))
            if url is not None:
                with indexed(encoder, uploads, replay, url) as moved:
                    ways.append(_row("the cluster's encodings written to PostgreSQL and pgvector", moved, together))
        return ways, sizes(alone, encoder.dim)


def _row(way: str, found: Indexed, other: Indexed) -> dict[str, Any]:
    """A way in figures, and how it compares; raises AssertionError where it differs by more than it may."""
    mine, theirs = found.photos(), other.photos()
    assert mine.keys() == theirs.keys(), f"{way}: other photos"
    exits = np.mean([mine[key][0] == theirs[key][0] for key in mine])
    cosine = min(float(mine[key][1] @ theirs[key][1]) for key in mine if mine[key][0] == theirs[key][0])
    pages = np.mean([set(a) == set(b) for a, b in zip(found.found(), other.found(), strict=True)])
    assert exits >= SAME_EXITS, f"{way}: {exits:.2%} same exits"
    assert cosine >= SAME_VECTORS, f"{way}: a cosine of {cosine:.6f}"
    return {
        "way": way,
        "photos": len(mine),
        "skipped": len(found.report.skipped),
        "seconds": round(found.report.seconds, 1),
        "a second": round(found.report.images_per_second, 1),
        "busy": "",
        "same hashes": "yes",
        "same exits": f"{exits:.2%}",
        "least cosine": f"{cosine:.6f}",
        f"same first {PAGE}, of {len(QUERIES)} queries": f"{pages:.0%}",
    }


def steps(uploads: Sequence[Upload]) -> Rows:
    """What a photo costs, in processor time: other programs disturb it less than they do the clock."""
    encoder = load_encoder()
    batches: list[np.ndarray] = []
    encodings: list[Encoding] = []

    def decode() -> None:
        for start in range(0, len(uploads), BATCH):
            _, pixels = decode_batch(uploads[start : start + BATCH], lambda _: False, set(), encoder.preprocess)
            if pixels:
                batches.append(np.stack(pixels))

    def encode() -> None:
        for pixels in batches:
            encodings.extend(encoder.encode(pixels))

    decoding = _processor_seconds(decode)
    encoder.encode(batches[0][:1])  # what is made once, at the first photo
    tgem = _processor_seconds(encode)
    full = _processor_seconds(lambda: [encoder.deepen(pixels, encoder.exits) for pixels in batches])
    many = len(encodings)
    share = sum(encoding.macs for encoding in encodings) / (many * encoder.full_macs)
    found = {
        "read, hash, decode, keep a small picture": (decoding, ""),
        "encode, all of the encoder": (full, "1.000"),
        f"encode, T-GEM at budget {DEFAULT_BUDGET:g}": (tgem, f"{share:.3f}"),
    }
    return [
        {"step": step, "core-seconds a photo": round(seconds / many, 5), "MACs share": macs}
        for step, (seconds, macs) in found.items()
    ]


def sizes(found: Indexed, dim: int) -> Rows:
    """What a photo takes in a data folder with one gallery, in bytes."""
    many, packed = len(found.photos()), found.folder / "packed.db"
    with closing(sqlite3.connect(found.folder / "tgem.db")) as database:
        database.execute("VACUUM INTO ?", (str(packed),))  # most of it is in the write-ahead log still
    pictures = sum(path.stat().st_size for path in (found.folder / "pictures").rglob("*.jpg"))
    return [
        {"kept of a photo": "its picture", "bytes": round(pictures / many)},
        {
            "kept of a photo": "its rows, with vector and gate values",
            "bytes": round(packed.stat().st_size / many),
        },
        {"kept of a photo": "its vector alone, float32", "bytes": 4 * dim},
    ]


def _processor_seconds(work: Callable[[], object]) -> float:
    """Processor time of this process, all threads, and of the decoders that it started."""
    began = _used()
    work()
    return _used() - began


def _used() -> float:
    tick = os.sysconf("SC_CLK_TCK")
    total = time.process_time()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(fields[1]) == os.getpid():
            total += (int(fields[11]) + int(fields[12])) / tick
    return total


def _said() -> Callable[[Any], None]:
    """A line every so often, for whoever waits."""
    from engine.utils.progress import progress_bar

    show = ExitStack().enter_context(progress_bar("photos"))
    return lambda progress: show(progress.done, progress.total)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=5000)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    os.environ.pop("TGEM_DATABASE_URL", None)  # each gallery has a data folder and a database of its own
    files = folder_uploads(given.folder)[: given.photos]
    sample = files[:SAMPLE]
    keep(
        "scale (steps)",
        "What a photo costs",
        f"Processor time on one core, over {len(sample)} photos; reading is from a local disk.",
        steps(sample),
        SCALE,
    )
    with ExitStack() as context:
        binaries = postgres.programs()
        url = context.enter_context(postgres.cluster(binaries)).create() if binaries is not None else None
        ways, taken = run(files, given.workers, url)
    keep("scale (bytes)", "What a photo takes", f"On SQLite, over {len(files):,} photos.", taken, SCALE)
    keep(
        "scale",
        "The same photos, in one process and on Ray",
        "Each way is compared with the first, or with the encodings that it was given: the same content hashes, at "
        f"least {SAME_EXITS:.1%} same exits, cosines of at least {SAME_VECTORS} where the exits are the same. "
        "Seconds on Ray hold the workers' start; busy is the share of their time that they spent encoding.",
        ways,
        SCALE,
    )
    sys.stdout.write("kept in docs/results/scale.md\n")
