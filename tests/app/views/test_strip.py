import re

import pytest

from app.views.strip import Drawing, lanes, stages_strip, strip, survival
from engine.exits.ladder import Stage

# A pass over a small input with an exit at its end, then the model's own with an exit on its way.
DRAWING = Drawing(
    (
        Stage("stem", 0, 10, None),
        Stage("head", 0, 20, 1),
        Stage("stem", 1, 5, None),
        Stage("blocks.0", 1, 25, 2),
        Stage("head", 1, 40, 3),
    ),
    100,
)


def filled(html: str) -> list[str]:
    return re.findall(r'<i class="(on|off|part)', html)


def widths(html: str, kind: str = "") -> list[float]:
    return [float(width) for width in re.findall(rf'<i class="{kind}[^"]*" style="width:([\d.]+)%', html)]


def test_a_strip_is_filled_up_to_the_share_that_ran_and_hollow_after_it() -> None:
    assert [filled(stages_strip(DRAWING, share, "")) for share in (0.3, 0.6, 1)] == [
        ["on", "on", "off", "off", "off"],
        ["on", "on", "on", "on", "off"],
        ["on", "on", "on", "on", "on"],
    ]


def test_a_stage_is_as_wide_as_its_macs_and_a_cards_pieces_go_from_exit_to_exit() -> None:
    assert widths(stages_strip(DRAWING, 0.3, "")) == [10, 20, 5, 25, 40]
    assert widths(strip(DRAWING, 0.3)) == [30, 30, 40]
    assert DRAWING.positions == {1: 0.3, 2: 0.6, 3: 1.0}


@pytest.mark.parametrize("share", [0.0, 0.3, 0.447, 0.6, 1.0])
def test_what_is_filled_is_as_wide_as_the_share_that_it_says(share: float) -> None:
    for html in (strip(DRAWING, share), strip(DRAWING, share, before=0.3), stages_strip(DRAWING, share, "")):
        assert f'data-share="{share:.4f}"' in html
        assert sum(widths(html, "on")) == pytest.approx(100 * share)
        assert sum(widths(html)) == pytest.approx(100)


def test_more_than_everything_fills_the_strip_and_no_more() -> None:
    assert sum(widths(strip(DRAWING, 1.2), "on")) == pytest.approx(100)


@pytest.mark.parametrize(
    "html", [strip(DRAWING, 0.6), stages_strip(DRAWING, 0.6, ""), survival(DRAWING, (1, 0, 0), "")]
)
def test_passes_stand_apart(html: str) -> None:
    assert html.count(" pass") == 1


def test_what_a_query_ran_later_is_filled_and_marked() -> None:
    html = strip(DRAWING, 1.0, before=0.3)
    assert re.findall(r'class="on( pass)?( new)?"', html) == [("", ""), (" pass", " new"), ("", " new")]
    assert " new" not in strip(DRAWING, 1.0)


def test_a_gallery_fills_each_stage_up_to_the_share_of_photos_that_ran_it() -> None:
    html = survival(DRAWING, (2, 1, 1), "")
    assert filled(html) == ["on", "on", "part", "part", "part"]
    assert re.findall(r"--fill:([\d.]+)", html) == ["0.500", "0.500", "0.250"]
    assert filled(survival(DRAWING, (0, 0, 0), "")) == ["off"] * 5, "an empty gallery"


@pytest.mark.parametrize(("places", "rows"), [([0.2, 0.5, 0.8], [0, 0, 0]), ([0.45, 0.5, 0.55, 1.0], [0, 1, 0, 0])])
def test_marks_that_would_touch_go_to_rows_of_their_own(places: list[float], rows: list[int]) -> None:
    assert lanes(places) == rows
