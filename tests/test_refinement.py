"""A query sends the photos in doubt deeper; what it finds stays, in every process, and all that it cost is counted."""

from collections.abc import Callable

import pytest

from engine.catalog import Catalog, Upload
from engine.store import Store
from tests.conftest import FakeEncoder

MakeUpload = Callable[..., Upload]


@pytest.fixture
def hazy() -> FakeEncoder:
    return FakeEncoder(haze=1.0)


@pytest.fixture
def catalog(store: Store, hazy: FakeEncoder) -> Catalog:
    return Catalog(store, lambda: hazy)  # type: ignore[arg-type,return-value]


@pytest.fixture
def gallery(catalog: Catalog, upload: MakeUpload) -> int:
    """Reds that a look through the haze hardly tells apart."""
    collection = catalog.open_collection("reds")
    catalog.ingest(collection, [upload(f"{green}.png", (255, green, green)) for green in (90, 60, 30, 0)])
    return collection


def test_photos_in_doubt_are_run_deeper_and_stay_so(catalog: Catalog, gallery: int, hazy: FakeEncoder) -> None:
    first = catalog.search(gallery, "red", k=2)
    refined = catalog.refine(gallery, "red", k=2)
    assert {photo.exit for photo in catalog.photos(gallery)} == {1, 3} or all(
        photo.exit == 3 for photo in catalog.photos(gallery)
    )
    assert refined.hits[0].photo.file == "0.png"
    assert refined.hits[0].score == pytest.approx(1.0)
    assert refined.hits[0].score > first[0].score
    assert [hit.row() for hit in catalog.search(gallery, "red", k=2)] == [hit.row() for hit in refined.hits]
    again = catalog.refine(gallery, "red", k=2)
    assert (again.deepened, again.macs) == ((), 0)
