"""What the page writes down for its keeper, where nothing can be written any more."""

from pathlib import Path

import pytest

from tests.hostile.served_page import call, served

pytestmark = pytest.mark.hostile


def test_a_page_whose_log_is_on_a_full_disk_serves_and_answers(tmp_path: Path) -> None:
    with (
        served(tmp_path / "home", limit="exec 2>/dev/full", TGEM_PUBLIC="1") as page,
        page.client() as visitor,
    ):
        assert "process_completed" in call(visitor, page.event("search"), ["red"], "visitor")
        load = page.listener("", "load", 3)
        assert "data-photo" in call(visitor, load, [None, False, None], "visitor")


def test_what_gradio_refuses_is_not_written_down(tmp_path: Path) -> None:
    with served(tmp_path / "home", TGEM_PUBLIC="1") as page, page.client() as visitor:
        answer = call(visitor, page.listener("budget", "change", 3), [7, "a stranger's words", None], "visitor")
        assert "greater than maximum" in answer
        assert not page.tracebacks()
