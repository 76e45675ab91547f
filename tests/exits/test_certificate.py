import json
from pathlib import Path

import pytest

from engine.exits.certificate import (
    FULL_DEPTH,
    REPORT,
    BudgetRow,
    Certificate,
    Fidelity,
    advice_of,
    read_certificate,
    remove_certificate,
    write_certificate,
)


def row(budget: float, share: float, top10: float) -> BudgetRow:
    return BudgetRow(budget, share, Fidelity(50.0, top10), 20.0)


WHOLE = Certificate("m", 100, (row(0.4, 0.4, 75.0), row(1.0, 1.0, 100.0)), 10.0, "Stop early.")


def test_a_certificate_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_certificate(tmp_path, WHOLE, "<html>")
    assert read_certificate(tmp_path) == WHOLE
    remove_certificate(tmp_path)
    assert list(tmp_path.iterdir()) == []
    remove_certificate(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"budgets": [{}]}', '{"budgets": 3}', "null"])
def test_what_cannot_be_read_is_no_certificate(tmp_path: Path, text: str) -> None:
    (tmp_path / REPORT).write_text(text)
    assert read_certificate(tmp_path) is None


def test_of_wrong_values_nothing_is_read_and_what_is_known_of_those_of_another_version(tmp_path: Path) -> None:
    write_certificate(tmp_path, WHOLE, "<html>")
    told = json.loads((tmp_path / REPORT).read_text())
    (tmp_path / REPORT).write_text(json.dumps({**told, "photos": None}))
    assert read_certificate(tmp_path) is None
    (tmp_path / REPORT).write_text(json.dumps({**told, "peak_mb": 3}))
    assert read_certificate(tmp_path) == WHOLE


def test_the_cheapest_budget_that_keeps_enough_is_advised() -> None:
    rows = (row(0.2, 0.2, 60.0), row(0.4, 0.4, 75.0), row(0.6, 0.6, 90.0), row(1.0, 1.0, 100.0))
    assert advice_of(rows, 1.0).startswith("Stop early: at budget 0.4 photos take 40 %")
    assert advice_of(rows[:1] + rows[-1:], 1.0) == FULL_DEPTH, "one loses too much, one saves nothing"
    assert advice_of(rows, 0.5).startswith("Stop early: at budget 0.4 photos take 80 %"), "of the model's own compute"
    assert advice_of(rows, 0.4) == FULL_DEPTH
