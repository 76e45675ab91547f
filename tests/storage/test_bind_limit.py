"""More photos than a database binds variables in one statement: 65,535 in PostgreSQL, often 32,766 in SQLite."""

import pytest

from engine.storage.collections import open_collection
from engine.storage.database import Database
from engine.storage.encodings import keep_deeper, list_candidates
from engine.storage.images import delete_images, get_images, image_names
from tests.storage.rows import STAMP, add

pytestmark = pytest.mark.both_databases

MANY = range(66_000, 0, -1)


def test_photos_are_asked_for_and_deleted_however_many_there_are(database: Database) -> None:
    gallery = open_collection(database, "holiday", "gallery", None)
    ids = [row.id for row in add(database, gallery, "aa", "bb")]
    assert [row.id for row in get_images(database, MANY)] == ids[::-1]
    assert [candidate.image_id for candidate in list_candidates(database, MANY)] == ids[::-1]
    assert image_names(database, MANY) == ["aa.jpg", "bb.jpg"]
    keep_deeper(database, gallery, STAMP, [], candidates=MANY)
    assert delete_images(database, gallery, MANY) == 2
    assert get_images(database, MANY) == []
