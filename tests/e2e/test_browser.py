"""The page in a real Chromium, from `python app.py` on; writes the pictures in docs/screenshots."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect

from app.views.comparison import racing
from engine.gallery import Lap
from tests.e2e.driver import (
    EACH_LOOK,
    EACH_LOOK_BY_HAND,
    ON_TOP,
    PATIENCE,
    ROOT,
    OpenPage,
    agree,
    answered,
    box,
    drop,
    first_alt,
    intercept,
    keep,
    make_album,
    search,
    settled,
    show_gallery,
    tab,
    two_photos,
)
from tests.pictures import MakePng

pytestmark = pytest.mark.browser

# As Safari does, which puts the cursor where a dialog begins once it has told of the focus.
CURSOR_AFTER_FOCUS = """() => {
  const { showModal } = HTMLDialogElement.prototype;
  HTMLDialogElement.prototype.showModal = function () {
    showModal.call(this);
    this.querySelector("input")?.setSelectionRange(0, 0);
  };
}"""


@EACH_LOOK_BY_HAND
def test_an_answer_comes_at_once_and_can_be_unfolded(open_page: OpenPage, look: str) -> None:
    page = open_page(look)
    page.get_by_label("Second look where in doubt").uncheck()
    search(page, "polar bear in the snow")
    expect(page.locator("#grid .hit .numbers").first).to_contain_text(re.compile(r"score \d+\s*\d+\s% saved"))
    before = page.locator("#grid .hit").count()
    assert page.locator("#grid .grid").evaluate("(list) => getComputedStyle(list).listStyleType") == "none"
    keep(page, f"results-{look}", page.locator("#grid .hit img[alt='Photo: polar bear on snow']"))
    page.locator("#grid .hit").nth(before - 1).scroll_into_view_if_needed()  # the list scrolls on by itself
    expect(page.locator("#grid .hit")).to_have_count(38)
    expect(page.locator("#grid .more")).to_have_count(0)


@EACH_LOOK
def test_a_selected_photo_shows_what_it_cost(open_page: OpenPage, look: str) -> None:
    page = open_page(look)
    search(page, "mountains and a lake")
    chosen = page.locator("#grid .hit").nth(min(1, page.locator("#grid .hit").count() - 1))
    name = (chosen.locator("img").get_attribute("alt") or "").removeprefix("Photo: ")
    chosen.click()
    panel = page.locator(".panel[data-picked]")
    expect(panel.locator(".file")).to_contain_text(name.replace(" ", "-"))
    expect(panel).to_contain_text("MACs")
    expect(panel.locator(".credit a")).to_be_visible()
    panel.get_by_role("button", name="How the query fits").click()
    expect(panel.locator(".fit li").first).to_be_visible()
    panel.locator(".fit li").last.scroll_into_view_if_needed()
    keep(page, f"compute-{look}", panel.locator(".fit li.here"))
    if look == "phone":
        panel.get_by_role("button", name="Close").click()
        expect(page.locator(".panel")).to_be_hidden()
        for _ in range(2):  # the same photo once more, whose panel now reads as it did
            chosen.click()
            expect(panel).to_be_visible()
            panel.get_by_role("button", name="Close").click()
            expect(page.locator(".panel")).to_be_hidden()


@EACH_LOOK_BY_HAND
def test_the_gallery_as_a_whole_and_another_budget(open_page: OpenPage, look: str) -> None:
    page = open_page(look)
    tab(page, "Gallery")
    expect(page.locator("#histogram .survival")).to_be_visible()
    expect(page.locator("#curve")).to_contain_text("Quality against compute")
    keep(page, f"gallery-{look}", page.locator("#figures dd"), page.locator("#histogram .survival"))
    presets = page.locator("#prospect .presets")
    expect(presets.get_by_role("button", name="Balanced")).to_have_attribute("aria-pressed", "true")
    expect(presets.get_by_role("button")).to_contain_text(["of the compute"] * 3)
    presets.get_by_role("button", name="Balanced").click()  # it is chosen already: nothing changes
    expect(presets.get_by_role("button", name="Balanced")).to_have_css("opacity", "1")
    presets.get_by_role("button", name="Best").click()
    warning = page.locator("#prospect .warning")
    expect(warning).to_contain_text(re.compile(r"raises its cost: \d+ photos run deeper, \+"))
    expect(page.locator("#apply")).to_contain_text("deeper")
    page.locator("#fine").get_by_role("button", name="More").click()
    page.wait_for_timeout(1000)  # Gradio writes the preset's number again while it settles; nobody types so fast
    page.locator("#budget input[type=number]").fill("0.2")
    page.locator("#budget input[type=number]").press("Enter")
    expect(warning).to_contain_text("costs nothing here")
    typical = page.locator("#histogram .typical button").first
    photo = typical.get_attribute("data-photo") or ""
    typical.click()
    expect(page.locator(f"#panel .panel[data-picked][data-photo='{photo}']")).to_be_visible()


def test_the_keyboard_goes_through_the_results(open_page: OpenPage) -> None:
    page = open_page("wide")
    search(page, "buildings by the water")  # seven stand out: a row of four and one of three
    hits = page.locator("#grid .hit")
    hits.first.focus()
    page.keyboard.press("ArrowRight")
    expect(hits.nth(1)).to_be_focused()
    left = "(hit) => hit.getBoundingClientRect().left"
    for _ in range(4):  # over a row that is short
        page.keyboard.press("ArrowDown")
        assert page.locator(":focus").evaluate(left) == hits.nth(1).evaluate(left)
    for _ in range(4):
        page.keyboard.press("ArrowUp")
    expect(hits.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(hits.nth(1)).to_have_attribute("aria-current", "true")
    expect(page.locator(".panel[data-picked]")).to_be_visible()
    page.locator("#tools summary").click()
    page.keyboard.press("Escape")  # closes help alone
    expect(page.locator("#tools .reading > div")).to_be_hidden()
    expect(page.locator(".panel[data-picked]")).to_be_visible()
    hits.nth(1).focus()
    page.keyboard.press("Escape")
    expect(page.locator(".panel[data-picked]")).to_have_count(0)


@pytest.mark.parametrize("place", ["among the photos", "in the search box"])
def test_more_photos_leave_the_keyboard_where_it_has_gone_meanwhile(open_page: OpenPage, place: str) -> None:
    page = open_page("wide")
    search(page, "buildings by the water")
    held: list[Route] = []
    intercept(page, "**/queue/join*", lambda route: held.append(route))
    hits = page.locator("#grid .hit")
    with page.expect_request("**/queue/join*"):  # the end of the list comes into view
        hits.nth(20).focus()
    there = hits.nth(1) if place == "among the photos" else box(page)
    there.focus()
    for route in held:
        route.continue_()
    page.unroute("**/queue/join*")
    expect(hits).to_have_count(38)
    expect(there).to_be_focused()


def test_the_list_of_galleries_closes_when_the_keyboard_leaves_it(open_page: OpenPage) -> None:
    page = open_page("wide")
    page.locator("#gallery input").focus()
    expect(page.get_by_role("option")).not_to_have_count(0)
    page.keyboard.press("Tab")
    expect(page.get_by_role("option")).to_have_count(0)


def test_the_selected_photo_is_run_to_full_depth_by_keys_and_stays_closed_on_a_phone(open_page: OpenPage) -> None:
    page = open_page("phone")
    hits = page.locator("#grid li:not([data-again]) .hit", has_not=page.locator(".strip i:last-child.on"))
    expect(hits.nth(1)).to_be_attached()  # both left early
    first, second = (hit.get_attribute("data-photo") for hit in hits.all()[:2])
    deepen, outcome = page.locator("#panel [data-event=deepen]"), page.locator("#panel .outcome")
    page.locator(f".hit[data-photo='{first}']").press("Enter")
    expect(page.locator(f".panel[data-picked][data-photo='{first}']")).to_be_visible()
    expect(page.locator("#panel .close")).to_be_focused()
    deepen.press("Enter")
    expect(outcome).to_be_focused(timeout=PATIENCE)  # its button is gone
    page.locator("#panel .close").click()
    page.locator(f".hit[data-photo='{second}']").press("Enter")
    expect(page.locator(f".panel[data-picked][data-photo='{second}']")).to_be_visible()
    deepen.evaluate("(button) => { button.click(); document.querySelector('.panel .close').click(); }")
    expect(outcome).to_be_attached(timeout=PATIENCE)
    settled(page)
    expect(page.locator(".panel[data-picked]")).to_have_count(0)


def test_an_example_is_a_query_and_earlier_ones_are_offered_again(open_page: OpenPage) -> None:
    page = open_page("wide")
    search(page, "2:dog + beach - people")
    example = page.locator(".examples button").nth(2)
    words = example.inner_text()
    example.click()
    expect(box(page)).to_have_value(words)
    earlier = page.locator(".examples", has_text="Earlier").get_by_role("button", name="2:dog + beach - people")
    earlier.click()
    expect(box(page)).to_have_value("2:dog + beach - people")


def test_a_misspelt_word_is_offered_put_right_and_what_no_photo_shows_is_said(open_page: OpenPage) -> None:
    page = open_page("phone")
    height = page.locator("#suggestions").evaluate("(line) => line.offsetHeight")
    page.locator(".examples").evaluate("(row) => row.scrollBy(300, 0)")
    search(page, "a man on a motorcyle")
    assert page.locator(".examples").evaluate("(row) => row.scrollLeft") == 0, "where it is offered"
    assert page.locator("#suggestions").evaluate("(line) => line.offsetHeight") == height
    page.get_by_role("button", name="a man on a motorcycle", exact=True).click()
    expect(box(page)).to_have_value("a man on a motorcycle", timeout=PATIENCE)
    answered(page)
    expect(page.locator("#grid")).to_contain_text("no photo fits these words well")
    expect(page.locator("#suggestions")).not_to_contain_text("Did you mean")
    search(page, "polar bear")
    expect(page.locator("#grid")).not_to_contain_text("no photo fits")


def test_a_ranking_is_saved_as_often_as_it_is_asked_for(open_page: OpenPage) -> None:
    page = open_page("wide")
    search(page, "mountains and a lake")
    for kind in ("CSV", "CSV", "JSON", "JSON"):
        button = page.locator("#answer").get_by_role("button", name=kind)
        with page.expect_download() as saved:
            button.click()
        assert saved.value.suggested_filename == f"results.{kind.lower()}"
        expect(button).to_have_css("opacity", "1")


def test_more_like_this_and_a_picture_of_ones_own_are_queries(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page("wide")
    page.locator("#grid .hit").first.click()
    name = first_alt(page)
    page.locator("#panel [data-event=alike]").click()
    expect(page.locator("#chip .chip img")).to_be_visible()
    expect(box(page)).to_have_value("")
    answered(page)
    assert first_alt(page) == name
    picture = page.locator("#picture").locator("xpath=..").locator("input[type=file]")
    picture.set_input_files(ROOT / "assets/gallery/taj-mahal.jpg")
    expect(page.locator("#chip .chip img")).to_have_attribute("src", re.compile("^data:image/jpeg"), timeout=PATIENCE)
    expect(box(page)).to_have_value("")
    answered(page)
    assert first_alt(page) == "Photo: taj mahal"
    (tmp_path / "letter.jpg").write_text("Dear Sir or Madam")
    picture.set_input_files(tmp_path / "letter.jpg")
    expect(page.locator("#notice")).to_contain_text("letter.jpg", timeout=PATIENCE)
    answered(page)
    assert first_alt(page) == "Photo: taj mahal"  # the answer before stays


def test_good_files_of_an_upload_are_found_and_bad_ones_named(
    open_page: OpenPage, tmp_path: Path, png: MakePng
) -> None:
    files = two_photos(tmp_path, png)
    (tmp_path / "letter.jpg").write_text("Dear Sir or Madam")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "half.jpg").write_bytes((ROOT / "assets/gallery/taj-mahal.jpg").read_bytes()[:5000])
    page = open_page("wide")
    drop(page, sorted(tmp_path.glob("*.*")), "Sea/Sand <b>")
    report = page.locator(".report", has_text="Sea/Sand")  # others may stand beside it
    expect(report).to_contain_text(f"{len(files)} photos added to “Sea/Sand <b>”")
    for name in ("letter.jpg", "empty.jpg", "half.jpg"):
        expect(report.locator("li", has_text=name)).to_be_visible()
    expect(page.locator("#headline")).to_contain_text("2 photos")
    search(page, "a red wall")
    expect(page.locator("#grid ol").first).to_have_attribute("aria-label", "Results, best first")


def test_a_reload_keeps_the_visitors_gallery_and_deleting_it_goes_back_to_the_demo(
    open_page: OpenPage, tmp_path: Path, png: MakePng
) -> None:
    page = open_page("wide")
    drop(page, two_photos(tmp_path, png), "Short lived")
    expect(page.locator("#gallery input")).to_have_value("Short lived · 2")
    expect(page.locator("#grid .hit")).to_have_count(2)
    page.wait_for_timeout(1000)  # a reload cuts off what is still on its way
    page.reload()
    expect(page.get_by_role("tab", name="Add photos")).to_have_attribute("aria-selected", "true")
    tab(page, "Results")
    answered(page)
    expect(page.locator("#gallery input")).to_have_value("Short lived · 2")
    expect(page.locator("#grid .hit")).to_have_count(2)
    page.locator("#grid .hit").first.click()
    page.locator("#panel [data-event=discard]").click()
    agree(page, "Delete this photo for good?")
    expect(page.locator("#answer")).to_contain_text("1 photo deleted", timeout=PATIENCE)
    expect(page.locator("#grid .hit")).to_have_count(1)
    tab(page, "Gallery")
    page.locator("#title textarea, #title input").first.fill("Gone soon")
    page.locator("#title").get_by_role("button").click()
    expect(page.locator("#done")).to_contain_text("Gone soon", timeout=PATIENCE)
    page.get_by_label("Everyone with the link may look at it").check()
    link = page.locator("#link output")
    expect(link).to_contain_text("?gallery=")
    stranger = open_page("wide", "?" + (link.inner_text().split("?", 1)[1]))
    expect(stranger.locator("#gallery input")).to_have_value("Gone soon · 1")
    tab(stranger, "Gallery")
    expect(stranger.locator("#link output")).to_have_text(link.inner_text())
    page.locator("#delete").click()
    agree(page, "Delete the gallery “Gone soon” and all its photos?")
    expect(page.locator("#gallery input")).to_have_value(re.compile("Demo gallery"))
    expect(page.get_by_role("tab", name="Results")).to_have_attribute("aria-selected", "true")
    answered(page)
    for _ in range(2):  # where it was on show
        page.go_back()
        expect(page.locator("#notice")).to_contain_text("not there any more")
        expect(page.locator("#gallery input")).to_have_value(re.compile("Demo gallery"))
        answered(page)
        page.locator("#notice").get_by_role("button", name="Dismiss").click()
        page.wait_for_function("!new URLSearchParams(location.search).has('gallery')", timeout=3000)
    search(page, "polar bear")
    page.wait_for_function("new URLSearchParams(location.search).get('q') === 'polar bear'")
    settled(page)
    expect(page.locator("#answer [data-query='polar bear']")).to_be_visible()


def test_what_is_not_to_be_deleted_after_all_stays_as_it_was(open_page: OpenPage, tmp_path: Path, png: MakePng) -> None:
    page = open_page("phone")
    drop(page, two_photos(tmp_path, png), "To keep")
    show_gallery(page, "To keep")
    page.locator("#grid .hit").first.click()
    discard, question = page.locator("#panel [data-event=discard]"), page.get_by_role("alertdialog")
    discard.click()
    expect(question.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(question).to_have_count(0)
    expect(discard).to_be_focused()  # the sheet has not closed with the question
    page.locator(".panel .close").click()
    tab(page, "Gallery")
    page.locator("#delete").click()
    question.get_by_role("button", name="Cancel").click()
    page.locator("#delete").click()
    expect(question).to_be_visible()
    expect(page).to_have_url(re.compile("tab=gallery"))
    page.go_back()
    expect(question).to_have_count(0)
    expect(page.get_by_role("tab", name="Results")).to_have_attribute("aria-selected", "true")
    answered(page)
    expect(page.locator("#gallery input")).to_have_value("To keep · 2")
    expect(page.locator("#grid .hit")).to_have_count(2)


def test_an_address_that_the_browser_does_not_copy_is_there_to_be_copied_by_hand(open_page: OpenPage) -> None:
    page = open_page("wide")
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")  # as without https
    page.evaluate(CURSOR_AFTER_FOCUS)
    page.locator("[data-event=share]").click()
    message = page.get_by_role("alertdialog", name="Copy this address")
    expect(message.locator("input")).to_have_value(re.compile(r"/\?(gallery=\d+&)?q="))
    expect(message.locator("input")).to_be_focused()
    assert page.evaluate("getSelection().toString()") == message.locator("input").input_value()
    page.keyboard.press("Enter")
    expect(message).to_have_count(0)


def test_several_photos_are_chosen_and_deleted_together(open_page: OpenPage, tmp_path: Path, png: MakePng) -> None:
    for number in range(5):
        (tmp_path / f"{number}.png").write_bytes(png((40 * number, 90, 60), (64, 48)))
    page = open_page("wide")
    drop(page, sorted(tmp_path.glob("*.png")), "Too many")
    show_gallery(page, "Too many")
    page.locator("#answer").get_by_role("button", name="Select").click()
    hits = page.locator("#grid .hit")
    for place in (0, 2, 3, 3):  # the last one is ticked and let go again
        hits.nth(place).click()
    expect(hits.nth(2)).to_have_attribute("aria-pressed", "true")
    page.locator("#answer").get_by_role("button", name="Delete 2").click()
    agree(page, "Delete these 2 photos for good?")
    expect(page.locator("#answer")).to_contain_text("2 photos deleted", timeout=PATIENCE)
    expect(hits).to_have_count(3)
    expect(page.locator("#gallery input")).to_have_value("Too many · 3")
    page.locator("#answer").get_by_role("button", name="Select").click()
    hits.nth(2).click()
    hits.nth(0).click(modifiers=["Shift"])
    expect(page.locator("#answer").get_by_role("button", name="Delete 3")).to_be_enabled()
    hits.nth(1).click(modifiers=["Shift"])  # lets go what it was with
    expect(page.locator("#answer").get_by_role("button", name="Delete 1")).to_be_enabled()
    page.locator("#answer").get_by_role("button", name="All on show").click()
    page.locator("#answer").get_by_role("button", name="Cancel").click()
    expect(page.locator("#grid .hit[aria-pressed]")).to_have_count(0)


def test_the_selected_photo_is_deleted_by_its_own_button_whatever_is_ticked(
    open_page: OpenPage, tmp_path: Path, png: MakePng
) -> None:
    page = open_page("wide")
    drop(page, two_photos(tmp_path, png), "One of two")
    show_gallery(page, "One of two")
    hits = page.locator("#grid .hit")
    hits.first.click()
    expect(page.locator("#panel [data-event=discard]")).to_be_visible()
    chosen = page.locator("#panel .panel").get_attribute("data-photo") or ""
    page.locator("#answer").get_by_role("button", name="Select").click()
    hits.nth(1).click()
    page.locator("#panel [data-event=discard]").click()
    agree(page, "Delete this photo for good?")
    expect(page.locator("#answer")).to_contain_text("1 photo deleted", timeout=PATIENCE)
    expect(hits).to_have_count(1)
    expect(hits.first).not_to_have_attribute("data-photo", chosen)
    expect(hits.first).to_be_focused()  # where the photo stood, whose button is gone


def test_another_budget_is_applied_to_ones_own_gallery(open_page: OpenPage, tmp_path: Path, png: MakePng) -> None:
    page = open_page("wide")
    drop(page, two_photos(tmp_path, png), "Dearer")
    tab(page, "Gallery")
    expect(page.locator("#title textarea, #title input").first).to_have_value("Dearer")  # its own budget is there, too
    page.locator("#fine").get_by_role("button", name="More").click()
    page.wait_for_timeout(1000)  # as above
    page.locator("#budget input[type=number]").fill("1")
    page.locator("#budget input[type=number]").press("Enter")
    balanced = page.locator("#prospect .presets").get_by_role("button", name="Balanced")
    expect(balanced).to_have_attribute("aria-pressed", "false")
    page.locator("#apply").click()
    expect(page.locator("#applied")).to_contain_text("now have a budget of 100 %", timeout=PATIENCE)
    expect(page.locator("#figures")).to_contain_text(re.compile(r"saved\s*0\s%"))  # drawn once that is over
    page.locator("#budget input[type=number]").fill("0.4")
    page.locator("#budget input[type=number]").press("Enter")
    page.locator("#looked-for textarea").fill("a red square")
    expect(page.locator("#apply")).to_have_text("Encode all photos anew")  # while the cursor is still there
    page.locator("#apply").click()
    expect(page.locator("#applied")).to_contain_text("now have a budget of 40 %", timeout=PATIENCE)


@EACH_LOOK_BY_HAND
def test_a_question_mark_says_how_to_read_the_page(open_page: OpenPage, look: str) -> None:
    page = open_page(look)
    page.locator("#tools summary").click()
    expect(page.locator("#tools .reading > div")).to_contain_text("Filled was computed")
    box = page.locator("#tools .reading > div").bounding_box()
    assert box is not None
    width = page.evaluate("innerWidth")
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    page.locator("#tools summary").click()
    expect(page.locator("#tools .reading > div")).to_be_hidden()
    page.locator("#tools summary").click()
    page.keyboard.press("Escape")
    expect(page.locator("#tools .reading > div")).to_be_hidden()
    page.locator("#tools summary").click()
    page.locator("h1").click()
    expect(page.locator("#tools .reading > div")).to_be_hidden()


def test_the_page_says_what_it_is(open_page: OpenPage) -> None:
    page = open_page("wide")
    expect(page.locator("h1")).to_have_text("T-GEM search")
    assert page.locator("h1").evaluate(ON_TOP)
    expect(page.locator(".intro p")).to_be_visible()


def test_a_gallery_that_is_not_there_is_not_picked_by_typing(open_page: OpenPage) -> None:
    page = open_page("wide")
    gallery = page.locator("#gallery input")
    name = gallery.input_value()
    for key in ("Enter", "Tab"):
        gallery.fill("no such gallery")
        gallery.press(key)
        expect(gallery).to_have_value(name)
    assert page.locator("#grid .hit").count()


def test_a_page_of_an_earlier_version_is_told_to_load_again(browser: Browser, address: str) -> None:
    page = browser.new_page()  # whose browser may complain
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    answered(page)

    def of_an_earlier_version(route: Route) -> None:
        route.continue_(post_data=re.sub(r'"fn_index":\d+', '"fn_index":9999', route.request.post_data or ""))

    intercept(page, "**/queue/join*", of_an_earlier_version)
    box(page).fill("dog")
    box(page).press("Enter")
    expect(page.get_by_text("The page has other events by now; load it again.")).to_be_visible()
    page.close()


def test_the_selected_photo_stays_in_view(open_page: OpenPage) -> None:
    page = open_page("wide")
    page.get_by_label("Second look where in doubt").uncheck()
    search(page, "animal")
    page.locator("#grid .hit").last.scroll_into_view_if_needed()
    expect(page.locator("#grid .hit")).to_have_count(38)
    page.evaluate("scrollTo(0, 400)")  # at the very end the page would take the photo along
    page.wait_for_function("scrollY === 400")
    top = page.locator("#aside").evaluate("(aside) => aside.getBoundingClientRect().top")
    assert 0 <= top <= 40


def test_the_photo_that_another_answer_brings_is_seen_from_its_top(open_page: OpenPage) -> None:
    page = open_page("wide")
    page.set_viewport_size({"width": 1440, "height": 500})
    panel = page.locator("#panel .panel")
    before = panel.get_attribute("data-photo") or ""
    assert panel.evaluate("(panel) => (panel.scrollTop = 200, panel.scrollTop)") > 0
    search(page, "snow")
    expect(panel).not_to_have_attribute("data-photo", before)
    assert panel.evaluate("(panel) => panel.scrollTop") == 0


@EACH_LOOK
def test_nothing_is_wider_than_the_screen(open_page: OpenPage, look: str) -> None:
    page = open_page(look)
    search(page, "w" * 500)
    for name in ("Results", "Gallery", "Compare", "Add photos"):
        tab(page, name)
        if name == "Compare":
            expect(page.locator("#sides .duel")).to_be_visible(timeout=PATIENCE)
            race = racing(Lap(128, 256, 12.5, 25.0))
            page.locator("#race .html-container > div").evaluate("(shown, html) => (shown.innerHTML = html)", race)
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name


def test_an_iphone_zooms_into_no_field(open_page: OpenPage) -> None:
    page = open_page("phone")
    small = """() => [...document.querySelectorAll("input:not([type=checkbox], [type=file]), textarea, select")]
      .filter((field) => field.checkVisibility() && parseFloat(getComputedStyle(field).fontSize) < 16)
      .map((field) => field.closest("[id]").id)"""
    for name in ("Results", "Albums", "Add photos"):
        tab(page, name)
        expect(page.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")
        if name == "Albums":
            make_album(page, "animals")
            expect(page.locator(".album select.move").first).to_be_visible()
        settled(page)
        assert page.evaluate(small) == [], name
    page.set_viewport_size({"width": 2560, "height": 1440})
    letters = float(box(page).evaluate("(field) => parseFloat(getComputedStyle(field).fontSize)"))
    assert letters > 19, "on a screen of a room that is touched they are as large as what is around them"
