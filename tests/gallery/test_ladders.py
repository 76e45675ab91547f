"""Real encoders behind a gallery: what goes on from what is stored is what one run gives, and costs no more."""

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import pytest
from PIL import Image

from engine.exits.encoder import Encoder
from engine.gallery import Library, Photo, Upload
from engine.gallery.galleries import list_photos, open_gallery, summarize_gallery
from engine.gallery.ingest import ingest_files
from engine.gallery.reencode import reencode_gallery
from engine.gallery.search import refine_search, run_to_full_depth
from engine.ingest.kept_picture import kept_pixels
from engine.storage.database import Database
from engine.storage.images import get_image
from tests import tiny_models
from tests.exits.ladders import MIXED, made
from tests.pictures import encoded

MANY, THRIFTY = 12, 0.3
LADDERS: dict[str, Callable[[], Encoder]] = {
    **{name: partial(made, name) for name in MIXED[:3]},
    "a smaller tower, and exits along the depth": cache(
        lambda: tiny_models.encoder("efficientnet", sizes=(32,), joined=True)
    ),
}


@pytest.fixture(params=LADDERS)
def library(request: pytest.FixtureRequest, database: Database) -> Library:
    return Library(database, LADDERS[request.param])


@pytest.fixture
def gallery(library: Library) -> int:
    collection = open_gallery(library, "patterns")
    size = library.encoder.preprocess(Image.new("RGB", (8, 8))).shape[-1]
    pictures = enumerate(tiny_models.pictures(MANY, size, seed=3))
    uploads = [Upload(f"{n}.png", partial(encoded, picture, "PNG")) for n, picture in pictures]
    ingest_files(library, collection, uploads, THRIFTY)
    return collection


def pixels_of(library: Library, photo: Photo) -> np.ndarray:
    """A batch of that photo alone."""
    pixels = kept_pixels(library.picture_path(photo.content_hash), library.encoder.preprocess)
    assert pixels is not None
    return np.stack([pixels])


def stands_as_run_in_one_go(library: Library, gallery: int) -> set[int]:
    """Check every photo against one run from its picture to where it stands; returns the exits."""
    encoder, exits = library.encoder, set()
    assert isinstance(encoder, Encoder)
    for photo in list_photos(library, gallery):
        (straight,) = encoder.deepen(pixels_of(library, photo), photo.exit)
        row = get_image(library.database, photo.id).encoding
        np.testing.assert_allclose(np.frombuffer(row.vector, np.float32), straight.vector, atol=1e-4)
        np.testing.assert_allclose(photo.gates, straight.gates, atol=1e-3)
        assert row.affinity == pytest.approx(straight.affinity, abs=1e-4)
        assert len(photo.nearest_texts) == photo.exit
        assert photo.macs == encoder.exit_macs[photo.exit - 1]
        exits.add(photo.exit)
    return exits


def test_another_budget(library: Library, gallery: int) -> None:
    stood = stands_as_run_in_one_go(library, gallery)
    for budget in (0.6, 0.9, 1.0):
        reencode_gallery(library, gallery, budget)
        stood |= stands_as_run_in_one_go(library, gallery)
        assert [photo.exit for photo in list_photos(library, gallery)] == chosen(library, gallery, budget)
    assert stood == set(range(1, library.encoder.exits + 1)), "the case must come to all exits"


def chosen(library: Library, gallery: int, budget: float) -> list[int]:
    """The exits that photos leave at where a budget was the first one."""
    photos = list_photos(library, gallery)
    return [library.encoder.encode(pixels_of(library, photo), budget)[0].exit for photo in photos]


def test_second_looks(library: Library, gallery: int) -> None:
    assert refine_search(library, gallery, "red car", k=3).deepened
    run_to_full_depth(library, list_photos(library, gallery)[0].id)
    assert library.encoder.exits in stands_as_run_in_one_go(library, gallery)
    assert summarize_gallery(library, gallery).macs <= MANY * library.encoder.full_macs
