"""Races over the demo gallery, in a library of its own: the measurement that ships with the model."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from engine.evaluation.speed import device_name
from engine.exits.encoder import Encoder
from engine.gallery.comparison import Comparison, compare_rankings
from engine.gallery.galleries import open_gallery
from engine.gallery.ingest import ingest_files
from engine.gallery.library import Library
from engine.gallery.search import embed_query
from engine.gallery.shipped_race import ShippedRace
from engine.ingest.listing import folder_uploads
from engine.storage.database import Database
from engine.utils.paths import DEMO_GALLERY


def race_demo(encoder: Encoder, rounds: int, say: Callable[[str], None] = lambda line: None) -> ShippedRace:
    """Index the demo gallery as the page does, race over it several times, and compare both rankings of its queries.

    Args: rounds: races, of which the one of middle speed-up counts.
    """
    # Closed before the folder goes: Windows deletes no file that is open.
    with TemporaryDirectory() as folder, closing(Database.open(Path(folder))) as database:
        library = Library(database, lambda: encoder)
        gallery = open_gallery(library, "demo", kind="demo")
        ingest_files(library, gallery, folder_uploads(DEMO_GALLERY))
        comparison = Comparison(library)
        races = []
        for number in range(1, rounds + 1):
            races.append(comparison.race(gallery))
            say(f"race {number} of {rounds}: {races[-1].speedup:.2f} times as fast")
        run = comparison.full_run(gallery)
        assert run is not None  # the race has made it
        queries = filter(None, (embed_query(library, gallery, text) for text in _queries()))
        found = [compare_rankings(library, gallery, run, query) for query in queries]
    return ShippedRace(
        race=sorted(races, key=lambda race: race.speedup)[rounds // 2],
        machine=f"{device_name(encoder)}, {torch.get_num_threads()} threads",
        model=encoder.identity.model,
        weights=encoder.identity.weights,
        queries=len(found),
        shared=round(sum(one.shared for one in found) / len(found), 3),
        same_first=sum(one.same_first for one in found),
    )


def _queries() -> list[str]:
    return [row["query"] for row in json.loads((DEMO_GALLERY / "queries.json").read_text(encoding="utf-8"))]
