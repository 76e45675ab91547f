"""Galleries that tests of the use cases share."""

import pytest

from engine.gallery import Library
from engine.gallery.galleries import list_photos, open_gallery
from engine.gallery.ingest import ingest_files
from tests.pictures import MakeUpload


@pytest.fixture
def gallery(library: Library) -> int:
    return open_gallery(library, "holiday")


@pytest.fixture
def colours(library: Library, gallery: int, upload: MakeUpload) -> list[int]:
    ingest_files(library, gallery, [upload(f"{colour}.png", colour) for colour in ("red", "green", "blue")])
    return [photo.id for photo in list_photos(library, gallery)]
