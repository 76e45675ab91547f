"""Photos full screen, picked and taken away, and searched like, in a real Chromium."""

import io
import re
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.e2e.driver import EACH_LOOK, PATIENCE, ROOT, OpenPage, answered, box, intercept, search

pytestmark = pytest.mark.browser

# Drops or pastes a file as a person does: the bytes come from the page's own address of a photo.
HAND = """async ([kind, at, name]) => {
  const bytes = await (await fetch(document.querySelector('#grid .hit').dataset.large)).blob();
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, { type: 'image/jpeg' }));
  const target = document.querySelector(at);
  if (kind === 'paste')
    return target.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true }));
  for (const type of ['dragover', 'drop']) {
    const aim = type === 'drop' ? document.querySelector(at) : document.body;
    aim.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
  }
}"""

# What is held over the page when a picture of another page is dragged there.
FOREIGN = """() => {
  const data = new DataTransfer();
  data.items.add('https://example.org/a.jpg', 'text/uri-list');
  data.items.add('<img src="https://example.org/a.jpg">', 'text/html');
  data.items.add(new File(['a'], 'a.jpg', { type: 'image/jpeg' }));
  document.body.dispatchEvent(new DragEvent('dragover', { dataTransfer: data, bubbles: true }));
}"""


def drag_a_little(page: Page, part: Locator) -> None:
    """Press, move and let go as a hand does; Playwright's own mouse begins no drag of the browser's."""
    at, mouse = part.bounding_box(), page.context.new_cdp_session(page)
    assert at is not None
    x, y = at["x"] + at["width"] / 2, at["y"] + at["height"] / 2
    for kind, step in (("mousePressed", 0), ("mouseMoved", 20), ("mouseMoved", 40), ("mouseReleased", 40)):
        held = {"button": "left", "buttons": int(kind != "mouseReleased"), "clickCount": 1}
        mouse.send("Input.dispatchMouseEvent", {"type": kind, "x": x + step, "y": y, **held})


def open_viewer(page: Page, place: int = 1) -> None:
    """Select a photo of the results, and open its large picture."""
    page.locator("#grid .hit").nth(place).click()
    expect(page.locator(".panel[data-picked]")).to_be_visible()
    page.locator(".panel .enlarge").click()
    expect(page.locator("dialog.viewer")).to_be_visible()


def is_plain(picture: Locator) -> bool:
    """Whether the middle of a picture's place has one colour."""
    shot = Image.open(io.BytesIO(picture.screenshot()))
    width, height = shot.size
    return len(shot.crop((width // 3, height // 3, width * 2 // 3, height * 2 // 3)).getcolors(1 << 20) or []) == 1


def name(page: Page) -> str:
    return page.locator("#viewed-name").inner_text()


@EACH_LOOK
def test_a_photo_opens_full_screen_and_arrows_turn(open_page: OpenPage, look: str) -> None:
    page = open_page(look)
    open_viewer(page)
    names = [hit.get_attribute("data-name") for hit in page.locator("#grid .hit").all()]
    assert name(page) == names[1]
    expect(page.locator(".viewer .facts")).to_contain_text("×")
    expect(page.locator(".viewer .share")).to_contain_text("saved")
    expect(page.locator(".viewer .cost .strip")).to_be_visible()
    page.wait_for_function("document.querySelector('.viewer .stage img').naturalWidth > 0")
    box_of = page.locator(".viewer .stage").bounding_box()
    assert box_of is not None
    assert box_of["height"] > 0.6 * page.evaluate("innerHeight")
    page.keyboard.press("ArrowLeft")
    assert name(page) == names[0]
    page.keyboard.press("PageDown")
    assert name(page) == names[1]
    page.keyboard.press("PageUp")
    assert name(page) == names[0]
    expect(page.locator(".viewer .earlier")).to_be_disabled()
    page.keyboard.press("End")
    assert name(page) == names[-1]
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.evaluate("void tgem.tell('The ZIP did not arrive')")
    for key in ("ArrowRight", "Escape"):
        page.keyboard.press(key)
    expect(page.get_by_role("alertdialog")).to_have_count(0)
    assert name(page) == names[1]
    page.evaluate("document.activeElement.blur()")  # as in Safari, where a button that is clicked takes no focus
    page.keyboard.press("ArrowRight")
    assert name(page) == names[2]
    page.keyboard.press("Escape")
    expect(page.locator("dialog.viewer")).to_be_hidden()
    expect(page.locator(f'.panel[data-picked] .file:has-text("{names[2]}")')).to_have_count(1, timeout=PATIENCE)
    lies_over = page.locator(".panel .close")  # on a phone the photo comes as a sheet
    expect(lies_over if look == "phone" else page.locator("#grid .hit").nth(2)).to_be_focused()


def test_no_picture_stands_under_the_name_of_one_that_is_on_its_way(open_page: OpenPage) -> None:
    page = open_page("wide")
    in_panel, in_viewer = page.locator("#panel .enlarge img"), page.locator(".viewer .stage img")
    open_viewer(page, 2)
    page.wait_for_function("[...document.querySelectorAll('.enlarge img, .stage img')].every((i) => i.naturalWidth)")
    intercept(page, re.compile(r"/photo/\d+/(panel|large)/"), lambda _: None)  # none comes from here on
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    turned_to = name(page)
    assert is_plain(in_viewer)
    page.keyboard.press("Escape")
    expect(page.locator("#panel .file")).to_contain_text(turned_to)
    assert is_plain(in_panel)


def test_the_kept_picture_and_ones_own_original_are_saved(open_page: OpenPage) -> None:
    page = open_page("wide")
    open_viewer(page)
    file = name(page)
    with page.expect_download() as kept:
        page.locator(".viewer .keep").click()
    assert kept.value.suggested_filename == f"{Path(file).stem}.jpg"
    with page.expect_download() as original:
        page.locator(".viewer .original").click()
    assert Path(original.value.path()).read_bytes() == (ROOT / "assets/gallery" / file).read_bytes()


def test_several_photos_are_picked_and_saved_as_one_zip(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page("wide")
    page.locator("#answer").get_by_role("button", name="Select").click()
    hits = page.locator("#grid .hit")
    names = [f"{Path(hits.nth(place).get_attribute('data-name') or '').stem}.jpg" for place in (0, 2)]
    for place in (0, 2):
        hits.nth(place).click()
    page.locator("#answer .answer").evaluate("(answer) => answer.setAttribute('data-before', '')")
    box(page).press("Enter")  # the same answer, drawn anew as by a second look
    expect(page.locator("#answer [data-before]")).to_have_count(0)
    answered(page)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download 2 as ZIP").click()
    saved.value.save_as(tmp_path / "photos.zip")
    with zipfile.ZipFile(tmp_path / "photos.zip") as archive:
        assert archive.namelist() == names
        assert archive.testzip() is None
    page.evaluate("void (window.fetch = () => Promise.reject(new TypeError('Load failed')))")  # no connection
    page.get_by_role("button", name="Download 2 as ZIP").click()
    expect(page.get_by_role("alertdialog", name="The ZIP did not arrive; try again.")).to_be_visible()


@pytest.mark.parametrize(("kind", "at"), [("drop", "[data-do=search]"), ("paste", "body")])
def test_a_picture_is_searched_with_from_anywhere(open_page: OpenPage, kind: str, at: str) -> None:
    page = open_page("wide")
    first = page.locator("#grid .hit").first.get_attribute("data-name")
    page.evaluate(HAND, [kind, at, "mine.jpg"])
    chip = page.locator("#chip .chip")
    expect(chip.locator("img")).to_have_attribute("src", re.compile("^data:image/jpeg;base64,"), timeout=PATIENCE)
    expect(box(page)).to_have_value("")
    answered(page)
    assert page.locator("#grid .hit").first.get_attribute("data-name") == first
    search(page, "snow")
    expect(chip).to_be_visible()
    chip.get_by_role("button").click()
    expect(chip).to_have_count(0, timeout=PATIENCE)
    expect(box(page)).to_have_value("snow")


def test_a_photo_of_the_page_is_no_file_and_one_of_another_page_is(open_page: OpenPage) -> None:
    page = open_page("wide")
    hit = page.locator("#grid .hit").nth(1)
    drag_a_little(page, hit.locator("img"))
    expect(hit).to_have_attribute("aria-current", "true")
    expect(page.locator(".panel[data-picked]")).to_be_visible()
    expect(page.get_by_role("tab", name="Results")).to_have_attribute("aria-selected", "true")
    page.evaluate("document.querySelector('#adds-to').prepend('processing | 0.2/0.2s')")  # Gradio's, of an answer
    page.evaluate(FOREIGN)
    expect(page.locator(".fields [data-do=search]")).to_be_visible()
    expect(page.locator(".fields [data-do=add]")).to_have_text("Add to “My photos”")


def test_a_file_of_which_nothing_is_told_before_it_is_dropped_may_be_searched_with(open_page: OpenPage) -> None:
    page = open_page("wide")
    page.evaluate("""() => {
      const event = new Event("dragover", { bubbles: true });
      document.body.dispatchEvent(Object.assign(event, { dataTransfer: { types: ["Files"], items: [] } }));
    }""")
    expect(page.locator(".fields [data-do=search]")).to_be_visible()


def test_a_button_looks_pressed_until_its_answer_is_there(open_page: OpenPage) -> None:
    page = open_page("wide")
    page.locator(".panel [data-event=alike]").click()
    expect(page.locator("#chip img")).to_be_visible()
    answered(page)
    expect(page.locator(".waiting")).to_have_count(0, timeout=100)


def test_a_link_that_leads_nowhere_says_what_to_do(open_page: OpenPage) -> None:
    page = open_page("wide", "?gallery=closed")
    expect(page.locator("#notice")).to_contain_text("Ask for a new link")
    page.locator("#notice").get_by_role("button", name="Dismiss").click()
    expect(page.locator("#notice .arriving")).to_have_count(0)


@pytest.mark.parametrize("how", ["Escape", "Back"])
def test_the_photo_seen_last_is_in_view_when_the_viewer_is_closed(open_page: OpenPage, how: str) -> None:
    page = open_page("wide")
    open_viewer(page)
    for _ in range(18):
        page.keyboard.press("ArrowRight")
    seen = page.locator("#grid .hit").nth(19)
    page.keyboard.press("Escape") if how == "Escape" else page.go_back()
    expect(page.locator("dialog.viewer")).to_be_hidden()
    expect(seen).to_be_focused()
    page.wait_for_timeout(500)
    expect(seen).to_be_in_viewport(ratio=0.9)
