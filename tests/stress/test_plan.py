"""What a million photos and more would take: the arithmetic, and where it is written."""

from pathlib import Path

import pytest

from tests.stress import plan


def test_the_plan_on_paper_adds_up() -> None:
    found = plan.Measured(0.01, 0.08, 0.05, 0.7, 50_000, 5_000, 2048)
    prices = plan.Prices(core_hour=0.04)
    full = plan.encoding(10**6, found.decode + found.full, 1, prices)
    assert full["core-hours"] == 25.0
    assert full["hours"] == 25 / 64
    assert full["dollars"] == full["dollars a million"] == 1.0
    tgem = plan.encoding(10**8, found.decode + found.tgem, 16, prices)
    assert tgem["dollars a million"] == pytest.approx(2 / 3)
    kept = plan.keeping(10**10, found, prices)
    assert kept["pictures"] == 5e14
    assert kept["machines"] == 32  # 12.96 TB of graph, 412 GB of it on each
    assert plan.tables(found, prices).count("| 10 G |") == 3


def test_the_plan_is_written_between_its_markers_and_again(tmp_path: Path) -> None:
    page = tmp_path / "scale.md"
    page.write_text(f"before\n{plan.START}\nold\n{plan.END}\nafter\n", encoding="utf-8")
    plan.put(page, "one\n")
    plan.put(page, "two\n")
    assert page.read_text(encoding="utf-8") == f"before\n{plan.START}\ntwo\n{plan.END}\nafter\n"


def test_the_plan_in_the_docs_is_what_the_measured_figures_give() -> None:
    assert plan.tables(plan.measured(), plan.Prices()) in plan.PAPER.read_text(encoding="utf-8")
