import re
from dataclasses import replace

import numpy as np
import pytest

from app.strip import Drawing, lanes, stages_strip, strip, survival, trace_to
from engine.exits.budget import BUDGET_GRID, Plan
from tests.app.shown_examples import DRAWING, LADDER, PHOTO
from tests.fake_encoder import FakeEncoder

STAGES = FakeEncoder().stages  # MACs 20, 20, 30, 30; exits after the last three


def filled(html: str) -> list[str]:
    return re.findall(r'<i class="(on|off|part)', html)


def widths(html: str) -> list[int]:
    return [int(width) for width in re.findall(r"flex-grow:(\d+)", html)]


def test_a_strip_is_filled_up_to_the_exit_and_hollow_after_it() -> None:
    traces = [trace_to(STAGES, (0, 1), exit, exit) for exit in (1, 2, 3)]
    assert [filled(stages_strip(trace, "")) for trace in traces] == [
        ["on", "on", "off", "off"],
        ["on", "on", "on", "off"],
        ["on", "on", "on", "on"],
    ]


def test_a_stage_is_as_wide_as_its_macs_and_a_cards_pieces_go_from_exit_to_exit() -> None:
    trace = trace_to(STAGES, (0, 1), 1, 1)
    assert widths(stages_strip(trace, "")) == [20, 20, 30, 30]
    assert widths(strip(trace)) == [40, 30, 30]
    assert trace.positions == {1: 0.4, 2: 0.7, 3: 1.0}


def test_a_coarse_pass_is_a_run_of_its_own() -> None:
    html = strip(trace_to(LADDER, (0, 1), 2, 2))
    assert widths(html) == [30, 60, 40]
    assert filled(html) == ["on", "on", "off"]
    assert html.count(" pass") == 1


def test_a_pass_that_the_budget_leaves_out_is_not_drawn() -> None:
    trace = trace_to(LADDER, (1,), 2, 2)
    assert widths(strip(trace)) == [60, 40]
    assert list(trace.positions) == [2, 3]


def test_what_a_query_ran_later_is_filled_and_marked() -> None:
    """Left at the end of the coarse pass, later run through the full one, whose exit 2 it never saw."""
    before, now = trace_to(LADDER, (0,), 1, 1), trace_to(LADDER, (0,), 1, 3)
    html = strip(now, before)
    assert filled(html) == ["on", "on", "on"]
    assert re.findall(r'class="on( pass)?( new)?"', html) == [("", ""), (" pass", " new"), ("", " new")]


def test_where_a_photo_left_is_told_by_its_gates_when_a_query_sent_it_on() -> None:
    gates = np.full((2, len(BUDGET_GRID)), np.nan, np.float32)
    gates[0] = 0.7
    assert DRAWING.left_at(replace(PHOTO, gates=gates, exit=3)) == 1
    gates[:] = 0.2
    assert DRAWING.left_at(replace(PHOTO, gates=gates, exit=3)) == 3
    assert DRAWING.left_at(replace(PHOTO, gates=np.empty((0, 0), np.float32), exit=1, exits=1)) == 1


def test_a_gallery_fills_each_stage_up_to_the_share_of_photos_that_ran_it() -> None:
    encoder = FakeEncoder()
    traces = Drawing(STAGES, 100, encoder.plans).traces(0.75, (2, 1, 1))
    html = survival(traces, (2, 1, 1), "")
    assert filled(html) == ["on", "on", "part", "part"]
    assert re.findall(r"--fill:([\d.]+)", html) == ["0.500", "0.250"]


def test_photos_that_stand_where_the_budget_does_not_ask_are_drawn_and_counted() -> None:
    """A re-encoding was stopped: two are still at the end of the coarse pass, which the rest no longer runs."""
    drawing = Drawing(LADDER, 100, [Plan((1,), 1.0)] * len(BUDGET_GRID))
    traces = drawing.traces(0.75, (2, 1, 1))
    html = survival(traces, (2, 1, 1), "")
    assert widths(html) == [stage.macs for stage in LADDER]
    assert re.findall(r"--fill:([\d.]+)", html) == ["0.500"] * 4 + ["0.250"]
    assert list(traces[-1].positions) == [1, 2, 3]
    assert list(drawing.traces(0.75, (0, 3, 1))[-1].positions) == [2, 3]


@pytest.mark.parametrize(("places", "rows"), [([0.2, 0.5, 0.8], [0, 0, 0]), ([0.45, 0.5, 0.55, 1.0], [0, 1, 0, 0])])
def test_marks_that_would_touch_go_to_rows_of_their_own(places: list[float], rows: list[int]) -> None:
    assert lanes(places) == rows
