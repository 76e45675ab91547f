"""What is set before Gradio reads it."""

import os

import pytest
from gradio.blocks import Blocks
from gradio.queueing import Queue

from app.server.settings import FIGURES, TEMPORARY, prepare


def test_no_figures_are_reckoned_that_nobody_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (FIGURES, TEMPORARY):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(name, "")  # so that it is taken back
    monkeypatch.delenv(TEMPORARY)
    before = os.umask(0)
    prepare()
    os.umask(before)
    queue = Queue(True, 1, 1.0, None, Blocks())
    queue.events_recorded = 100_000
    told = queue.compute_analytics_summary([{"function": "search", "status": "success", "process_time": 0.1}])
    assert told == {"functions": {}}
