"""A collection that tests of the storage share."""

import pytest

from engine.storage.collections import open_collection
from engine.storage.database import Database


@pytest.fixture
def gallery(database: Database) -> int:
    return open_collection(database, "holiday", "gallery", None)
