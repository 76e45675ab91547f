"""Compare in a real Chromium: what ships is shown from the start, and a race is run or played again."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.driver import EACH_LOOK_BY_HAND, PATIENCE, OpenPage, keep, search, serving, tab

pytestmark = pytest.mark.browser


@EACH_LOOK_BY_HAND
def test_the_shipped_measurement_and_both_rankings_are_there_from_the_start(open_page: OpenPage, look: str) -> None:
    page = open_page(look)
    expect(page.locator("#headline")).to_contain_text(re.compile(r"as fast \(shipped measurement, \d+ \w+ \d{4}\)"))
    search(page, "animal")
    tab(page, "Compare")
    expect(page.locator("#sides .sides tbody tr")).to_have_count(10)
    expect(page.locator("#race")).to_contain_text("Shipped measurement of")
    expect(page.locator("#race")).to_contain_text("best matches are the full encoder’s, too")
    expect(page.locator("#sides")).to_contain_text(re.compile(r"\d+ of 10 the same"))
    expect(page.locator("#sides .legend")).to_be_visible()
    for row in page.locator("#sides .sides tbody tr").all()[:3]:
        tops = [cell.bounding_box() for cell in row.locator(".side").all()]
        assert len({round(box["y"]) for box in tops if box}) == 1, "a rank stands in one row"
    page.locator("#sides").scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    page.evaluate("scrollTo(0, 0)")
    keep(page, f"compare-{look}", page.locator("#race .race h2"), page.locator("#race .lanes"))
    replay = page.locator("#race [data-event=replay]")
    expect(replay).to_be_hidden()  # nothing moves
    page.emulate_media(reduced_motion="no-preference")
    bars = page.locator("#race .lanes i")
    running = "(bars) => bars.filter((bar) => bar.getAnimations().some((one) => one.playState === 'running')).length"
    assert bars.evaluate_all(running) == 2
    bars.evaluate_all("(bars) => bars.forEach((bar) => bar.getAnimations().forEach((one) => one.finish()))")
    assert bars.evaluate_all(running) == 0
    replay.click()
    assert bars.evaluate_all(running) == 2


def test_a_race_is_run_on_ones_own_machine_and_its_result_takes_the_place_of_what_shipped(open_page: OpenPage) -> None:
    page = open_page("wide")
    tab(page, "Compare")
    stop = page.locator("#stop-race")
    page.locator("#start").click()
    stop.click()
    expect(page.locator("#race")).to_contain_text("nothing was kept of this race")
    expect(stop).to_be_hidden()
    page.locator("#start").click()
    expect(stop).to_have_text("Stop")
    expect(stop).to_be_enabled()
    expect(page.locator("#race .race").first).to_contain_text("on this machine", timeout=3 * PATIENCE)
    expect(stop).to_be_hidden()
    expect(page.locator("#sides .sides tbody tr")).to_have_count(10)


@pytest.mark.long
def test_a_race_is_played_again_in_the_time_that_it_took(
    open_page: OpenPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TGEM_PUBLIC", "1")
    with serving(tmp_path / "public") as at:
        page = open_page("wide", motion="no-preference", at=at)
        tab(page, "Compare")
        bars = page.locator("#race .lanes i")
        expect(bars).to_have_count(2)
        expect(page.locator("#start")).to_be_hidden()  # a race is the machine's work, and strangers start none
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if request.method == "POST" else None)
        page.get_by_role("button", name="Play it again").click()
        for bar in bars.all():
            took, said = bar.evaluate(
                "(i) => [i.getAnimations()[0].effect.getTiming().duration / 1000, i.nextSibling.textContent]"
            )
            assert abs(took - float(said.split(" s")[0])) < 0.06
        page.wait_for_timeout(500)
        assert not asked
        page.context.close()  # before the server goes
