"""Present mode in a real Chromium: six screens, by the keyboard alone, at every size of a projector."""

import re
from decimal import ROUND_HALF_UP, Decimal

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.driver import EACH_LOOK_BY_HAND, OpenPage, box, keep, search

pytestmark = pytest.mark.browser

SCREENS = 6
# Whatever of a screen is cut off at its edges.
CLIPPED = """(stage) => {
  const room = stage.getBoundingClientRect();
  return [...stage.querySelectorAll(".screen:not([hidden]) *")].filter((part) => {
    const box = part.getBoundingClientRect();
    const out = box.bottom > room.bottom + 1 || box.right > room.right + 1 || box.top < room.top - 1 || box.left < -1;
    return box.width && out;
  }).map((part) => part.outerHTML.slice(0, 90));
}"""


def presenting(page: Page) -> Locator:
    """Open present mode by the keyboard; a screenshot would leave the full screen, so that is left out."""
    page.evaluate("Element.prototype.requestFullscreen = undefined")
    page.locator("#tools button").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog.present[open]")
    return page.locator("dialog.present[open]")


def test_what_comes_full_screen_is_within_the_dialog(open_page: OpenPage) -> None:
    page = open_page("wide")
    page.locator("#tools [data-event=present]").click()
    page.wait_for_function("document.fullscreenElement?.closest('dialog.present')")  # Safari would cover the dialog
    page.keyboard.press("ArrowRight")
    expect(page.locator("dialog.present .page")).to_have_text(f"2 / {SCREENS}")
    page.locator("dialog.present [data-event=leave]").click()
    page.wait_for_function("!document.fullscreenElement && !document.querySelector('dialog.present[open]')")


@EACH_LOOK_BY_HAND
def test_six_screens_go_by_the_keyboard_alone_and_none_has_a_dash(open_page: OpenPage, look: str) -> None:
    page = open_page(look)
    dialog = presenting(page)
    seen = []
    for number in range(1, SCREENS + 1):
        expect(dialog.locator(".page")).to_have_text(f"{number} / {SCREENS}")
        words = dialog.locator(".screen:visible").inner_text()
        assert not re.search(r"^\s*[–—-]\s*$", words, re.MULTILINE)
        seen.append(words)
        if number == 3:
            expect(dialog.locator(".screen:visible .big")).to_have_text(re.compile(r"^\d+\s%$"))
            keep(page, f"present-{look}", dialog, dialog.locator(".screen:visible .survival"))
            dialog.evaluate("(dialog) => dialog.focus()")
        page.keyboard.press("ArrowRight")
    assert len(set(seen)) == SCREENS
    expect(dialog.locator(".page")).to_have_text(f"{SCREENS} / {SCREENS}")
    page.keyboard.press("ArrowLeft")
    expect(dialog.locator(".page")).to_have_text(f"{SCREENS - 1} / {SCREENS}")
    page.keyboard.press("Home")
    expect(dialog.locator(".page")).to_have_text(f"1 / {SCREENS}")
    page.keyboard.press("End")
    expect(dialog.locator(".page")).to_have_text(f"{SCREENS} / {SCREENS}")
    page.keyboard.press("Escape")
    expect(page.locator("dialog.present[open]")).to_have_count(0)
    expect(presenting(page).locator(".page")).to_have_text(f"1 / {SCREENS}")  # the second time as the first


def test_photos_are_seen_and_covered_by_no_words_at_four_times_the_size(open_page: OpenPage) -> None:
    page = open_page("wide")
    page.set_viewport_size({"width": 320, "height": 256})
    dialog = presenting(page)
    page.keyboard.press("n")
    for _ in range(2):
        for photo in dialog.locator(".screen:visible figure").all():
            image, words = photo.locator("img").bounding_box(), photo.locator("figcaption").bounding_box()
            assert image
            assert words
            assert image["height"] > 60
            assert words["y"] >= image["y"] + image["height"]
        page.keyboard.press("ArrowRight")


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1280, 720)])
def test_nothing_is_cut_off_on_a_projector_with_the_notes_and_without(
    open_page: OpenPage, width: int, height: int
) -> None:
    page = open_page("wide")
    page.set_viewport_size({"width": width, "height": height})
    search(page, "animal")
    dialog = presenting(page)
    for notes in (False, True):
        if notes:
            page.keyboard.press("n")
            expect(dialog.locator(".say")).to_be_visible()
        for number in range(1, SCREENS + 1):
            expect(dialog.locator(".page")).to_have_text(f"{number} / {SCREENS}")
            page.wait_for_timeout(200)
            assert dialog.locator(".stage").evaluate(CLIPPED) == []
            assert dialog.evaluate("(dialog) => dialog.scrollHeight <= innerHeight && dialog.scrollWidth <= innerWidth")
            if number < SCREENS:
                page.keyboard.press("ArrowRight")
        for _ in range(SCREENS - 1):
            page.keyboard.press("ArrowLeft")


def test_a_reload_stays_at_its_screen_and_back_leaves(open_page: OpenPage) -> None:
    page = open_page("wide")
    dialog = presenting(page)
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("n")
    page.wait_for_function("new URLSearchParams(location.search).get('present') === '4'")
    page.reload()
    expect(dialog.locator(".page")).to_have_text(f"4 / {SCREENS}")
    expect(dialog.locator(".screen:visible .lanes i")).to_have_count(2)
    expect(dialog.locator(".say p:visible")).to_have_count(1)
    page.wait_for_timeout(1000)  # the address is as it was
    page.go_back()
    expect(page.locator("dialog.present[open]")).to_have_count(0)


def test_money_stands_there_where_the_presenter_types_a_price(open_page: OpenPage) -> None:
    page = open_page("wide")
    dialog = presenting(page)
    for _ in range(SCREENS - 1):
        page.keyboard.press("ArrowRight")
    output = dialog.locator(".price output")
    expect(output).to_have_text("")
    hours = [Decimal(one.get_attribute("data-hours") or 0) for one in dialog.locator("[data-hours]").all()]
    price = dialog.get_by_label("An hour of such a machine costs")
    price.fill("2")
    early, full = ((2 * each).quantize(Decimal("0.01"), ROUND_HALF_UP) for each in hours)
    expect(output).to_have_text(f"{early} in place of {full}")
    page.keyboard.press("ArrowLeft")  # in the field: it moves the cursor
    expect(dialog.locator(".page")).to_have_text(f"{SCREENS} / {SCREENS}")
    money = output.inner_text()
    price.fill("2,000")
    early, full = ((2000 * each).quantize(Decimal("0.01"), ROUND_HALF_UP) for each in hours)
    expect(output).to_have_text(f"{early:,} in place of {full:,}")
    for same in ("2 EUR", "2,00", "$ 2"):
        price.fill(same)
        expect(output).to_have_text(money)
    page.keyboard.press("PageUp")  # by a clicker, from the field too
    expect(dialog.locator(".page")).to_have_text(f"{SCREENS - 1} / {SCREENS}")
    page.keyboard.press("Escape")
    presenting(page)  # once more: the price stands there still
    for _ in range(SCREENS - 1):
        page.keyboard.press("ArrowRight")
    expect(price).to_have_value("$ 2")
    expect(output).to_have_text(money)


def test_a_screen_is_printed_on_one_sheet_and_what_is_filled_stays_so_there(open_page: OpenPage) -> None:
    page = open_page("dark")
    page.emulate_media(media="print")
    ink = "(part) => getComputedStyle(part).color"
    assert page.locator("#headline b").first.evaluate(ink) == "rgb(28, 25, 23)", "as on a light page"
    exact = "(part) => getComputedStyle(part, '::after').printColorAdjust"
    assert page.locator("#refine input").evaluate(exact) == "exact", "or it looks as if it were not ticked"
    assert page.locator(".sights ul li").first.evaluate(exact) == "exact"
    badge = "(hit) => hit.appendChild(Object.assign(document.createElement('b'), { className: 'again' }))"
    page.locator("#grid .hit").first.evaluate(badge)
    assert page.locator(".again").first.evaluate(ink) == "rgb(255, 255, 255)"
    assert presenting(page).locator("> div").evaluate("(part) => getComputedStyle(part).backgroundColor") == (
        "rgb(255, 255, 255)"
    ), "ink would not be seen on a dark ground, where grounds are printed"
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf())) == 1


def test_an_easy_and_a_hard_photo_stand_side_by_side_to_scale(open_page: OpenPage) -> None:
    page = open_page("wide")
    dialog = presenting(page)
    page.keyboard.press("ArrowRight")
    expect(dialog.locator(".screen:visible img")).to_have_count(2)
    shares = [float(strip.get_attribute("data-share") or 0) for strip in dialog.locator(".ends .strip").all()]
    assert shares[0] < shares[1] <= 1


def test_leaving_a_presentation_keeps_the_query_that_came_with_it(open_page: OpenPage) -> None:
    page = open_page("wide", "?q=dog")
    # As where both answers come together on a slow line: what changes until then is one step of the address.
    page.evaluate(
        "((wait) => (window.setTimeout = (act, ms, ...more) => wait(act, ms === 250 ? 4000 : ms, ...more)))(setTimeout)"
    )
    box(page).fill("a boat")
    box(page).press("Enter")
    page.locator("#tools [data-event=present]").click()
    expect(page).to_have_url(re.compile(r"q=a\+boat.*present=1"))
    page.locator("dialog.present [data-event=leave]").click()
    expect(page).not_to_have_url(re.compile("present"))
    assert "q=a+boat" in page.url
