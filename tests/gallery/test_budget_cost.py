import pytest

from engine.gallery import Library
from engine.gallery.budget_cost import budget_cost
from engine.gallery.galleries import summarize_gallery
from engine.gallery.reencode import reencode_gallery
from tests.pictures import Fill


@pytest.fixture
def gallery(fill: Fill) -> int:
    return fill("colours", {f"{colour}.png": colour for colour in ("red", "green", "blue")}, budget=0.2)


@pytest.mark.parametrize("budget", [0.2, 0.4, 0.7, 1.0])
def test_what_it_tells_is_what_is_run(library: Library, gallery: int, budget: float) -> None:
    told, before = budget_cost(library, gallery, budget), summarize_gallery(library, gallery)
    report = reencode_gallery(library, gallery, budget)
    ran = summarize_gallery(library, gallery).macs_index - before.macs_index
    assert told.deeper == report.added
    assert told.macs_least <= ran <= told.macs_most


def test_a_budget_below_what_ran_runs_nothing(library: Library, gallery: int) -> None:
    reencode_gallery(library, gallery, 1.0)
    told = budget_cost(library, gallery, 0.2)
    assert (told.deeper, told.macs_least, told.macs_most) == (0, 0, 0)
