"""A database of the first version, with data, comes up to the newest and goes down again with nothing lost."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import alembic.command
import alembic.config
import numpy as np
import pytest

from engine.gallery.galleries import require_model
from engine.gallery.ingest import ingest_files
from engine.gallery.library import Library
from engine.gallery.search import refine_search, search_photos
from engine.storage.collections import TotalsCache, delete_collection, get_collection, open_collection
from engine.storage.database import Database
from engine.storage.encodings import list_changes
from engine.storage.images import get_image, list_images
from engine.storage.schema import ModelChanged, ModelStamp
from tests.fake_encoder import IDENTITY, FakeEncoder

ROOT = Path(__file__).parents[2]
FIRST = (ROOT / "tests" / "data" / "0001.sql").read_text("utf-8")
STAMP = ModelStamp("tgem-mini", "a" * 64, "b" * 64, exits=3, full_macs=100)
KEPT = {
    "collections": "id, name, kind, owner, model, weights_hash, exits_hash, exits, full_macs, budget, created_at",
    "images": "id, collection_id, content_hash, name, width, height, bytes, added_at",
    "encodings": "image_id, vector, exit, gates, phrases, macs_index, macs_query, milliseconds, budget",
}


@pytest.fixture
def first(home: Path) -> Path:
    """The data folder of someone who has not upgraded since the first version."""
    home.mkdir()
    with closing(sqlite3.connect(home / "tgem.db")) as connection:
        connection.executescript(FIRST)
    return home


def contents(home: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(home / "tgem.db")) as connection:
        return {
            table: connection.execute(f"SELECT {columns} FROM {table} ORDER BY 1").fetchall()
            for table, columns in KEPT.items()
        }


def test_the_first_version_comes_up_with_nothing_lost_and_goes_down_again(first: Path) -> None:
    before = contents(first)
    Database.open().close()
    assert contents(first) == before
    assert [len(rows) for rows in before.values()] == [3, 5, 5]
    with closing(sqlite3.connect(first / "tgem.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    alembic.command.downgrade(alembic.config.Config(ROOT / "alembic.ini"), "0001")
    assert contents(first) == before
    Database.open().close()
    assert contents(first) == before


def test_what_was_there_is_found_and_added_to(first: Path) -> None:
    database = Database.open()
    changes = list_changes(database, 2, 0, 100)
    assert changes.ids.tolist() == [5, 6, 9]
    np.testing.assert_allclose(changes.vectors[1], [0, 0, 1])
    assert [row.name for row in list_images(database, 2, 9)] == ["Grüße 日本.jpg", "blue.jpg", "o'clock; --.jpg"]
    assert changes.affinity.tolist() == [0, 0, 0]
    assert TotalsCache(database).of(get_collection(database, 2)).photos == 3
    assert get_image(database, 6).encoding.macs_query == 7
    assert get_collection(database, 2).link is None
    get_collection(database, 2).require(replace(STAMP, precision="bfloat16"))
    new = open_collection(database, "New", "gallery", None)
    assert new > 4
    delete_collection(database, 2)
    assert TotalsCache(database).of(get_collection(database, 1)).photos == 2
    database.close()


def test_guide_texts_of_an_owner_are_phrases(first: Path) -> None:
    Database.open().close()
    config = alembic.config.Config(ROOT / "alembic.ini")
    alembic.command.downgrade(config, "0007")
    with closing(sqlite3.connect(first / "tgem.db")) as connection:
        connection.execute("UPDATE collections SET guide_texts = '[\"a rose\"]', guides_only = 1 WHERE id = 2")
        connection.commit()
    database = Database.open()
    assert [get_collection(database, number).phrases for number in (1, 2)] == [None, ["a rose"]]
    database.close()


@pytest.mark.parametrize("change", [{"weights": "c" * 64}, {"exits_hash": "d" * 64}])
def test_old_vectors_never_meet_a_changed_model_and_the_sentence_offers_the_way(
    first: Path, change: dict[str, str]
) -> None:
    encoder = FakeEncoder(identity=replace(IDENTITY, **{"model": "tgem-mini", **change}))
    database = Database.open()
    library = Library(database, lambda: encoder)
    for call in (
        lambda: search_photos(library, 2, "red"),
        lambda: refine_search(library, 2, "red"),
        lambda: require_model(library, 2),
        lambda: ingest_files(library, 2, []),
    ):
        with pytest.raises(ModelChanged, match=r'"Holiday" was encoded with tgem-mini .*encode its photos again'):
            call()
    assert TotalsCache(database).of(get_collection(database, 2)).photos == 3
    database.close()
