"""What the page writes down for its keeper, where nothing can be written any more."""

from pathlib import Path

import pytest

from tests.hostile.served_page import call, served, until

pytestmark = pytest.mark.hostile


def test_a_page_whose_log_is_on_a_full_disk_serves_and_answers(tmp_path: Path) -> None:
    with (
        served(tmp_path / "home", limit="exec 2>/dev/full", TGEM_PUBLIC="1") as page,
        page.client() as visitor,
    ):
        assert '"success":true' in call(visitor, page.event("search"), ["red", "", 20, ""], "visitor")
        load = page.listener("", "load", 3)
        assert "data-photo" in call(visitor, load, [None, False, None], "visitor")


def test_calls_that_no_tool_understands_are_not_written_down(tmp_path: Path) -> None:
    misunderstood: list[dict[str, object]] = [
        {"method": "tools/call", "params": {"name": "search", "arguments": "anna in rome"}},
        {"method": "tools/Call", "params": {"name": "search", "arguments": {"visitor": "anna's token"}}},
        {"method": "tools/call", "params": {"name": 'x\n{"event": "forged"}\nanna' + "a" * 10**6, "arguments": {}}},
        {"method": "notifications/anna", "params": {}},
    ]
    with (
        served(tmp_path / "home", options=("--mcp",), TGEM_PUBLIC="1") as page,
        page.client(headers={"Accept": "application/json, text/event-stream"}) as visitor,
    ):
        for number, said in enumerate(misunderstood):
            id = {} if "notifications" in str(said["method"]) else {"id": number}
            answer = visitor.post("/gradio_api/mcp/", json={"jsonrpc": "2.0", **id, **said})
            assert answer.status_code in (200, 202), answer.text
        call(visitor, page.event("search"), ["red", "", 20, ""], "visitor")
        until(lambda: any('"search"' in line for line in page.said))
        assert not [line for line in page.said if "anna" in line or "forged" in line]


def test_what_gradio_refuses_is_not_written_down(tmp_path: Path) -> None:
    with served(tmp_path / "home", TGEM_PUBLIC="1") as page, page.client() as visitor:
        answer = call(visitor, page.listener("budget", "change", 3), [7, "a stranger's words", None], "visitor")
        assert "greater than maximum" in answer
        assert not page.tracebacks()
