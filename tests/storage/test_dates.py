"""Images are listed by date, and found by the year that their camera wrote, whatever zone it was in."""

import pytest
from sqlalchemy import select, text

from engine.storage.collections import open_collection
from engine.storage.database import Database
from engine.storage.dates import UNDATED, Order, count_years, in_order, taken_in
from engine.storage.images import list_images
from engine.storage.schema import ImageRow
from tests.storage.rows import add, image

pytestmark = pytest.mark.both_databases

DATES = {
    "a": "2019-07-14T18:30:05+02:00",
    "b": None,
    "c": "2020-12-31T23:59:59-10:00",
    "d": "1962-01-01T00:00:00",
    "e": "2019-01-01T00:00:00+14:00",
}


@pytest.fixture
def gallery(database: Database) -> int:
    number = open_collection(database, "Trip", "gallery", None)
    rows = [image(name) for name in DATES]
    for row, taken in zip(rows, DATES.values(), strict=True):
        row.taken_at = taken
    add(database, number, *rows)
    return number


@pytest.mark.parametrize(("order", "names"), [("arrival", "abcde"), ("newest", "caedb"), ("oldest", "deacb")])
def test_images_are_listed_in_an_order_and_those_without_a_date_come_last(
    database: Database, gallery: int, order: Order, names: str
) -> None:
    assert "".join(row.name[0] for row in list_images(database, gallery, 9, order)) == names
    assert "".join(row.name[0] for row in list_images(database, gallery, 2, order)) == names[:2]


@pytest.mark.parametrize(("year", "names"), [(2019, "ea"), (2020, "c"), (1962, "d"), (UNDATED, "b"), (2018, "")])
def test_a_year_is_that_of_the_cameras_clock(database: Database, gallery: int, year: int, names: str) -> None:
    rows = list_images(database, gallery, 9, "oldest", year)
    assert "".join(row.name[0] for row in rows) == names
    assert sorted(taken_in(database, gallery, year)) == sorted(row.id for row in rows)


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_the_first_by_date_are_found_without_sorting_all(database: Database, gallery: int, order: Order) -> None:
    wanted = select(ImageRow).where(ImageRow.collection_id == gallery).order_by(*in_order(order)).limit(24)
    with database.read() as session:
        if session.get_bind().dialect.name != "sqlite":
            pytest.skip("PostgreSQL goes by how many rows there are")
        query = wanted.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
        plan = [row[-1] for row in session.execute(text(f"EXPLAIN QUERY PLAN {query}"))]
    assert any("ix_images_collection_id_taken_at" in step for step in plan)
    assert "USE TEMP B-TREE FOR ORDER BY" not in plan


def test_years_are_counted_the_latest_first(database: Database, gallery: int) -> None:
    other = open_collection(database, "Other", "gallery", None)
    assert list(count_years(database, gallery).items()) == [(2020, 1), (2019, 2), (1962, 1), (UNDATED, 1)]
    assert count_years(database, other) == {}
