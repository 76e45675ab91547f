"""What a person, or a log, is told while something long runs."""

import sys
from contextlib import suppress

import pytest

from engine.utils.progress import progress_bar


def test_a_log_stays_short(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("photos") as show:
        for done in range(1, 2001):
            show(done, 2000)
    told = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert len(told) <= 4
    assert "2000/2000" in told[-1]
    assert "photos" in told[-1]


def test_a_run_without_a_report_leaves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("photos"):
        pass
    assert capsys.readouterr().err == ""


def test_a_run_that_is_stopped_ends_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    with suppress(KeyboardInterrupt), progress_bar("photos") as show:
        show(1, 2)
        raise KeyboardInterrupt
    assert capsys.readouterr().err.endswith("\n")


def test_a_run_whose_stderr_is_closed_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with progress_bar("photos") as show:
        show(1, 2)
