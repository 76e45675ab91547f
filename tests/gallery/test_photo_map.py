"""On a gallery's map, photos of alike things lie near each other."""

import numpy as np
import pytest

from engine.gallery import Library
from engine.gallery import photo_map as map_module
from engine.gallery.galleries import open_gallery
from engine.gallery.photo_map import flattened, map_gallery
from tests.pictures import Fill

SHADES = {
    "red": (250, 10, 10),
    "pink": (250, 40, 30),
    "blue": (10, 10, 250),
    "sea": (20, 50, 250),
    "green": (10, 250, 9),
}


@pytest.fixture
def gallery(fill: Fill) -> int:
    return fill("shades", {f"{name}.png": shade for name, shade in SHADES.items()})


def test_alike_photos_lie_near_each_other_and_the_map_is_filled(library: Library, gallery: int) -> None:
    at = {place.photo.file: np.array([place.x, place.y]) for place in map_gallery(library, gallery)}
    assert len(at) == len(SHADES)
    for one, like, other in (("red", "pink", "blue"), ("blue", "sea", "green"), ("sea", "blue", "red")):
        near, far = (np.linalg.norm(at[f"{one}.png"] - at[f"{name}.png"]) for name in (like, other))
        assert near < far / 3
    edges = np.stack(list(at.values()))
    assert (edges.min(axis=0).tolist(), edges.max(axis=0).tolist()) == ([0, 0], [1, 1])


def test_a_large_gallery_is_drawn_in_part(library: Library, gallery: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_module, "MOST", 3)
    assert [place.photo.file for place in map_gallery(library, gallery)] == ["red.png", "blue.png", "green.png"]


def test_an_empty_gallery_has_no_map(library: Library) -> None:
    assert map_gallery(library, open_gallery(library, "empty")) == []


def test_directions_are_those_of_the_widest_spread_and_photos_that_are_all_the_same_lie_together() -> None:
    spread = np.random.default_rng(0).normal(size=(200, 5)) * [1, 9, 0.1, 3, 0.1]
    places = flattened(spread.astype(np.float32))
    assert abs(np.corrcoef(places[:, 0], spread[:, 1])[0, 1]) > 0.99
    assert abs(np.corrcoef(places[:, 1], spread[:, 3])[0, 1]) > 0.99
    np.testing.assert_array_equal(places, flattened(spread.astype(np.float32)))
    assert np.abs(flattened(np.ones((4, 5), np.float32))).max() < 1e-6
