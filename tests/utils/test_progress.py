"""What a person, or a log, is told while something long runs."""

import io
import sys

import pytest

from engine.utils.progress import ProgressLine


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """One number that is the time; tests move it."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_the_rate_counts_from_the_first_report_on(clock: list[float], capsys: pytest.CaptureFixture[str]):
    with ProgressLine("photos") as line:
        line.show(32, 96)
        clock[0] += 8
        line.show(96, 96)
    assert capsys.readouterr().err.splitlines() == ["32 of 96 photos", "96 of 96 photos, 8.0 a second"]


def test_a_log_gets_a_line_every_few_seconds_and_always_the_last(
    clock: list[float], capsys: pytest.CaptureFixture[str]
):
    with ProgressLine("photos") as line:
        for done in range(1, 21):
            line.show(done, 20)
            clock[0] += 1
    told = [text.split(" of ")[0] for text in capsys.readouterr().err.splitlines()]
    assert told == ["1", "6", "11", "16", "20"]


def test_a_terminal_has_its_line_rewritten(clock: list[float], monkeypatch: pytest.MonkeyPatch):
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stderr", terminal)
    with ProgressLine("photos") as line:
        line.show(1, 2)
        line.show(2, 2)
    written = terminal.getvalue()
    assert "2 of 2 photos" in written
    assert written.count("\n") == 1


def test_a_run_without_a_report_leaves_nothing(capsys: pytest.CaptureFixture[str]):
    with ProgressLine("photos"):
        pass
    assert capsys.readouterr().err == ""
