"""Kill `python -m engine index` at random points, again and again, and look at what it leaves.

After each death every finished batch must be there and none half there: every row has its encoding, its whole picture
and its feature map's file; the index agrees with the rows; and at the end the folder's photos are there, each once.
"""

import json
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from engine.ingest.decode import BATCH
from engine.search.faiss_index import FaissIndex
from engine.storage.collections import list_collections
from engine.storage.database import Database
from engine.storage.encodings import list_changes
from engine.storage.images import list_images
from tests.programs import begun
from tests.stress.results import keep, whole_numbers

# The real command with a small encoder in the model's place: a hundred deaths would take a day with the real one.
COMMAND = """
import sys, time
import engine.cli as line
from tests.fake_encoder import FakeEncoder
class Slow(FakeEncoder):
    def encode(self, pixels, *given):
        time.sleep(0.02)
        return super().encode(pixels, *given)
line.library.chosen_encoder = lambda *_: Slow()
line.cli(["index", sys.argv[1], "--gallery", "killed", "--json"], standalone_mode=True)
"""


def photos(folder: Path, count: int) -> None:
    """Small photos, no two alike."""
    draw = np.random.default_rng(0)
    for number in range(count):
        Image.fromarray(draw.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / f"{number:05}.png")


def start(folder: Path, home: Path) -> "subprocess.Popen[str]":
    """The command, indexing."""
    return begun(COMMAND, home, folder)


def rows(home: Path, table: str = "images") -> int:
    """How many photos are in, or rows of another table, asked beside the process that writes."""
    path = home / "tgem.db"
    if not path.is_file():
        return 0
    try:
        with closing(sqlite3.connect(path, timeout=30)) as connection:
            return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    except sqlite3.OperationalError:  # the tables are not there yet
        return 0


def whole_photos(home: Path, total: int) -> int:
    """How many photos of the gallery are in, all whole, in whole batches. Raises AssertionError."""
    with closing(sqlite3.connect(home / "tgem.db", timeout=30)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        halves = "SELECT count(*) FROM images LEFT JOIN encodings ON image_id = id WHERE image_id IS NULL"
        assert connection.execute(halves).fetchone() == (0,)
        owned = "SELECT content_hash FROM images JOIN collections AS c ON c.id = collection_id WHERE c.name = 'killed'"
        hashes = [row[0] for row in connection.execute(owned)]
        maps = [row[0] for row in connection.execute("SELECT file FROM feature_maps")]
    assert len(set(hashes)) == len(hashes)
    assert len(hashes) % BATCH == 0 or len(hashes) == total, f"{len(hashes)} photos are no whole batches"
    for content_hash in hashes:
        with Image.open(home / "pictures" / content_hash[:2] / f"{content_hash}.jpg") as picture:
            picture.load()
    assert all((home / "maps" / file[:2] / file).is_file() for file in maps)
    return len(hashes)


def check(home: Path, total: int) -> int:
    """Look at what a death has left; returns how many photos are in. Raises AssertionError."""
    held = whole_photos(home, total)
    database = Database.open(home)
    try:
        (gallery,) = list_collections(database, "gallery")
        index = FaissIndex(3)

        def changes(after: int, limit: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            found = list_changes(database, gallery.id, after, limit)
            return found.revisions, found.ids, found.vectors

        index.catch_up(changes)
        assert len(index) == held
        if held:
            ids, scores = index.search(np.eye(3, dtype=np.float32)[0], held)
            assert sorted(ids.tolist()) == sorted(row.id for row in list_images(database, gallery.id, total))
            assert np.isfinite(scores).all()
    finally:
        database.close()
    return held


def run(deaths: int, total: int, seed: int = 0) -> dict[str, int | float]:
    """Kill it so often; returns what happened. Raises AssertionError where something was left half done."""
    draw = random.Random(seed)
    with TemporaryDirectory() as name:
        folder, home = Path(name, "photos"), Path(name, "home")
        folder.mkdir()
        photos(folder, total)
        killed = anew = early = 0
        held = 0
        while killed < deaths:
            process = start(folder, home)
            began = time.monotonic()
            if draw.random() < 0.2:  # anywhere: while it starts, migrates, or reads
                time.sleep(draw.uniform(0, 2.5))
            else:  # in the thick of it: some batches further than before, and a little
                goal = held + draw.randrange(1, 4)
                while process.poll() is None and rows(home) < goal and time.monotonic() - began < 120:
                    time.sleep(0.002)
                time.sleep(draw.uniform(0, 0.08))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                killed += 1
            _, said = process.communicate()
            assert process.returncode in (0, -signal.SIGKILL), said
            if not rows(home, "collections"):
                early += 1
                continue
            now = check(home, total)
            assert now >= held, f"{held} photos were in, and now {now}"
            held = now
            if held == total:  # all in: begin again with nothing
                anew, held = anew + 1, 0
                shutil.rmtree(home)
        process = start(folder, home)
        out, said = process.communicate(timeout=600)
        assert process.returncode == 0, said
        report = json.loads(out)
        assert report["added"] == total - held, f"{report['added']} added, {total - held} were missing"
        assert check(home, total) == total
        parts = len(list(home.glob("**/*.part")))
    return {"deaths": killed, "before the first row": early, "photos": total, "begun anew": anew, "parts left": parts}


if __name__ == "__main__":
    given = whole_numbers(__doc__, deaths=100, photos=640)
    figures = run(given.deaths, given.photos)
    keep(
        "kill",
        "Sudden death",
        "SIGKILL at random points of `python -m engine index` (a small encoder in the model's place). After each death "
        "the database is whole, every row has its encoding and its picture, only whole batches are there, the index "
        "holds exactly the rows; at the end the same folder adds exactly the missing photos.",
        [figures],
    )
