import sys
from pathlib import Path
from typing import Any

import pytest

from engine.evaluation.plots import MatplotlibMissing, speed_lines
from engine.evaluation.report import (
    END,
    START,
    bench_markdown,
    index_lines,
    markdown,
    price,
    put_into,
    query_lines,
    summary,
    write,
    write_bench,
)

RECALL = {"r1": 20.0, "r5": 50.0, "r10": 60.0}
FULL = {"policy": "full", "setting": 9, "macs_share": 1.0, "t2i": {"r1": 25.0, "r5": 55.0, "r10": 75.0}, "i2t": RECALL}
GATES = {"policy": "tgem", "setting": 0.4, "macs_share": 0.48, "t2i": RECALL, "i2t": RECALL}
LOOKS = {"deepened_per_query": 8.0, "macs_per_query": 9.5, "overlap10": 0.9, "worth": 0.17}
TABLE = {
    "model": "m",
    "data": "d",
    "split": "test",
    "images": 1000,
    "captions": 5000,
    "rows": [
        FULL,
        GATES,
        GATES | {"seed": 2, "t2i": RECALL | {"r10": 62.0}},
        GATES | LOOKS | {"policy": "tgem+deepen", "t2i": RECALL | {"r10": 70.0}},
        GATES | LOOKS | {"policy": "tgem+deepen", "worth": 0.01, "macs_per_query": 20.0},
        GATES | LOOKS | {"policy": "exit+topm", "setting": 3},
        GATES | {"setting": 0.55},
    ],
}


def test_a_card_shows_recall_before_and_after_second_looks() -> None:
    lines = summary(TABLE, 0.17).splitlines()
    assert "| full depth | 1.00 | 25.0 / 55.0 / 75.0 |  |  |" in lines
    assert "| T-GEM, budget 0.4 | 0.48 | 20.0 / 50.0 / 60.0 | 20.0 / 50.0 / 70.0 | 9.5 |" in lines
    assert len(lines) == 4  # a head of two lines; other seeds and budgets have none


def test_every_policy_and_seed_has_a_row() -> None:
    text = markdown(TABLE, 0.17)
    assert "| T-GEM, budget 0.4 |  | 0.480 | 20.0 / 50.0 / 60.0 | 20.0 / 50.0 / 60.0 |" in text
    assert "| T-GEM, budget 0.4 | 2 | 0.480 | 20.0 / 50.0 / 62.0 | 20.0 / 50.0 / 60.0 |" in text
    assert "subject" not in text  # what was not measured has no heading


def test_differences_come_with_their_errors() -> None:
    found = {"budget": 0.5, "macs_share": 0.48, "random": {"r10": 1.04, "error": 0.31}}
    both = found | {"budget": 0.6, "small-input": {"r10": -0.7, "error": 0.52}}
    text = markdown(TABLE | {"differences": [found, both]}, 0.17)
    assert "| 0.5 | 0.480 | +1.0 ± 0.3 | - |" in text
    assert "| 0.6 | 0.480 | +1.0 ± 0.3 | -0.7 ± 0.5 |" in text


def test_subjects_are_weighed_by_their_captions() -> None:
    ways = ("before", "named", "random", "full")
    rows = [{"captions": n} | dict.fromkeys(ways, dict.fromkeys(RECALL, float(r))) for n, r in ((3, 40), (1, 80))]
    assert "| named | 50.0 / 50.0 / 50.0 |" in markdown(TABLE | {"subjects": rows}, 0.17)


@pytest.mark.parametrize(
    ("wanted", "cost"), [(0.97, "≤ 5.0"), (0.985, "≤ 5.0"), (0.99, "10.0"), (0.995, "22.5"), (1, "-")]
)
def test_prices_are_read_off_the_line_between_two_settings(wanted: float, cost: str) -> None:
    assert price([(5, 0.985), (10, 0.99), (20, 0.99), (30, 0.998)], wanted) == cost


def test_figures_have_a_line_for_each_policy() -> None:
    assert index_lines(TABLE) == {"T-GEM, budget": [(0.48, 60.0), (0.48, 60.0)]}
    assert query_lines(TABLE) == {
        "T-GEM, index 0.48": [(9.5, 70.0), (20.0, 60.0)],
        "the best M, index 0.48": [(9.5, 60.0)],
    }


BENCH: dict[str, Any] = {
    "device": "cpu",
    "threads": 2,
    "precision": "float32",
    "rows": [
        {"model": "m", "mode": "full", "batch": 8, "images_per_s": 10.0, "macs_share": 1.0},
        {"model": "m", "mode": "exit:1", "batch": 8, "images_per_s": 19.0, "macs_share": 0.5},
        {"model": "m", "mode": "full", "batch": 32, "images_per_s": 12.0, "macs_share": 1.0},
    ],
}


def test_a_bench_shows_what_early_exits_keep_of_their_promise() -> None:
    lines = bench_markdown(BENCH).splitlines()
    assert "| m | full | 1.00 | 10.0 | 12.0 |" in lines
    assert "| m | exit:1 | 0.50 | 19.0 (0.95) |  |" in lines
    assert speed_lines(BENCH["rows"]) == {"m, batch 8": [(0.5, 1.9), (1.0, 1.0)], "m, batch 32": [(1.0, 1.0)]}


def test_tables_and_figures_are_written(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for path in (*write(TABLE, tmp_path, "results", 0.17), *write_bench(BENCH, tmp_path, "bench")):
        assert path.stat().st_size > 100


def test_without_matplotlib_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MatplotlibMissing, match=r"pip install -r requirements-train\.txt"):
        write(TABLE, tmp_path, "results", 0.17)
    assert list(tmp_path.iterdir()) == []


def test_a_page_keeps_what_stands_around_its_tables(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(f"before\n{START}\nold\n{END}\nafter\n", encoding="utf-8")
    put_into(page, "new\n")
    put_into(page, "newer\n")
    assert page.read_text(encoding="utf-8") == f"before\n{START}\nnewer\n{END}\nafter\n"
