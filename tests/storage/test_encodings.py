"""An index follows what becomes of encodings."""

import pytest

from engine.storage.collections import open_collection
from engine.storage.database import Database
from engine.storage.encodings import list_changes
from tests.storage.rows import add

pytestmark = pytest.mark.both_databases


@pytest.fixture
def gallery(database: Database) -> int:
    return open_collection(database, "holiday", "gallery", None)


def test_changes_follow_on_from_a_revision(database: Database, gallery: int) -> None:
    other = open_collection(database, "other", "gallery", None)
    first = add(database, gallery, "aa")
    add(database, other, "bb")
    last = add(database, gallery, "cc", "dd")
    found = list_changes(database, gallery, after=0, limit=2)
    assert found.ids.tolist() == [first[0].id, last[0].id]
    assert (found.exits.tolist(), found.vectors.tolist()) == ([1, 1], [[1.0, 0.0]] * 2)
    rest = list_changes(database, gallery, after=int(found.revisions[-1]), limit=9)
    assert rest.ids.tolist() == [last[1].id]
    nothing = list_changes(database, gallery, after=int(rest.revisions[-1]), limit=9)
    assert (len(nothing.ids), nothing.vectors.shape) == (0, (0, 0))
