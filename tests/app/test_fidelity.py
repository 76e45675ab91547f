from dataclasses import replace

from app.curve import Curve, Point
from app.fidelity import fidelity
from engine.gallery import shipped_race
from tests.app.shown_examples import SUMMARY

CURVE = Curve("m", "photos", "test", 1000, (Point(0.75, 0.7, 70.0, 86.0),), Point(1.0, 1.0, 74.0, 100.0))


def test_a_gallerys_fidelity_is_its_models_at_its_budget() -> None:
    found = fidelity(SUMMARY, CURVE)
    assert found.shared == 8.6
    assert "1\u202f000 photos of the data set photos (test)" in found.source


def test_the_demo_gallerys_and_an_unmeasured_models_is_what_shipped() -> None:
    shipped = shipped_race()
    for found in (fidelity(replace(SUMMARY, kind="demo"), CURVE), fidelity(SUMMARY, None)):
        assert found.shared == shipped.shared
        assert f"{shipped.same_first} of {shipped.queries}" in found.first
        assert "shipped measurement" in found.source
