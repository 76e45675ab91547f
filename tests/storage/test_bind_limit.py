"""More photos than a database binds variables in one statement: 65,535 in PostgreSQL, often 32,766 in SQLite."""

import pytest

from engine.storage.collections import open_collection
from engine.storage.database import Database
from engine.storage.images import delete_images, get_images
from tests.storage.rows import add

pytestmark = pytest.mark.both_databases

MANY = range(66_000, 0, -1)


def test_photos_are_asked_for_and_deleted_however_many_there_are(database: Database) -> None:
    gallery = open_collection(database, "holiday", "gallery", None)
    ids = [row.id for row in add(database, gallery, "aa", "bb")]
    assert [row.id for row in get_images(database, MANY)] == ids[::-1]
    assert delete_images(database, gallery, MANY) == 2
