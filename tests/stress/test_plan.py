"""What a million photos and more would take stands in the docs as it was measured."""

from tests.stress import plan


def test_the_plan_in_the_docs_is_what_the_measured_figures_give() -> None:
    assert plan.tables(plan.measured(), plan.Prices()) in plan.PAPER.read_text(encoding="utf-8")
