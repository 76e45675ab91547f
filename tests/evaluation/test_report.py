import sys
from pathlib import Path

import pytest

from engine.evaluation.report import END, START, MatplotlibMissing, markdown, put_into, write

RECALL = {"r1": 20.0, "r5": 50.0, "r10": 60.0}
FULL = {"policy": "full", "setting": 9, "macs_share": 1.0, "t2i": {"r1": 25.0, "r5": 55.0, "r10": 75.0}, "i2t": RECALL}
GATES = {"policy": "tgem", "setting": 0.5, "macs_share": 0.48, "t2i": RECALL, "i2t": RECALL}
LOOKS = {"deepened_per_query": 8.0, "macs_per_query": 9.5, "overlap10": 0.9, "worth": 0.17}
TABLE = {
    "data": "d",
    "split": "test",
    "images": 1000,
    "captions": 5000,
    "rows": [
        FULL,
        GATES,
        GATES | {"seed": 2, "t2i": RECALL | {"r10": 62.0}},
        GATES | LOOKS | {"policy": "tgem+deepen"},
        GATES | LOOKS | {"policy": "ablation:rank-only"},
    ],
}


def test_tables_tell_what_was_measured() -> None:
    text = markdown(TABLE)
    assert "| full depth | 1.000 | 25.0 / 55.0 / 75.0 | 20.0 / 50.0 / 60.0 |" in text
    assert text.count("| T-GEM, budget 0.5 |") == 1  # other seeds are not rows of their own
    assert "| 0.5 | 61.00 | 2.00 |" in text  # they are the spread
    assert "| 0.480 (budget 0.5) | 0.17 | 8.0 | 9.5 | 80.0% | 80.0% | 0.900 |" in text
    assert "| rank-only | 0.5 | 0.480 | 9.5 | 60.0 |" in text


def test_differences_come_with_their_errors() -> None:
    found = {"budget": 0.5, "macs_share": 0.48, "random": {"r10": 1.04, "error": 0.31}}
    both = found | {"budget": 0.6, "small-input": {"r10": -0.7, "error": 0.52}}
    text = markdown(TABLE | {"differences": [found, both]})
    assert "| 0.5 | 0.480 | +1.0 ± 0.3 | - |" in text
    assert "| 0.6 | 0.480 | +1.0 ± 0.3 | -0.7 ± 0.5 |" in text


def test_a_budget_that_is_met_in_the_way_of_another_has_no_row_of_its_own_with_queries() -> None:
    spared = GATES | LOOKS | {"policy": "tgem+deepen", "setting": 0.55}
    text = markdown(TABLE | {"rows": [*TABLE["rows"], spared, spared | {"setting": 0.6, "macs_share": 0.59}]})
    assert "(budget 0.5)" in text
    assert "(budget 0.55)" not in text
    assert "(budget 0.6)" in text


def test_without_matplotlib_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MatplotlibMissing, match=r"pip install -r requirements-train\.txt"):
        write(TABLE, tmp_path, "results")
    assert list(tmp_path.iterdir()) == []


def test_a_page_keeps_what_stands_around_its_tables(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(f"before\n{START}\nold\n{END}\nafter\n", encoding="utf-8")
    put_into(page, "new\n")
    put_into(page, "newer\n")
    assert page.read_text(encoding="utf-8") == f"before\n{START}\nnewer\n{END}\nafter\n"


def test_prices_are_read_off_the_line_between_two_settings() -> None:
    full = FULL | {"t2i": RECALL | {"r10": 100.0}}
    ranked = [(5, 98.5), (10, 99.0), (20, 99.0), (30, 99.8)]
    rows = [
        GATES | {"policy": "exit+topm", "setting": 3, "m": m, "macs_per_query": m, "t2i": RECALL | {"r10": found}}
        for m, found in ranked
    ]
    text = markdown(TABLE | {"rows": [full, *rows, GATES | LOOKS | {"policy": "tgem+deepen"}]})
    assert "| exit 3, the best M | 0.480 | ≤ 5.0 | ≤ 5.0 | 10.0 | 22.5 |" in text
    assert "| T-GEM's index of budget 0.5, by doubt | 0.480 | - | - | - | - |" in text
