"""What axe-core says of the whole page: every tab, what opens over it, and each screen of a presentation."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.e2e.driver import PATIENCE, OpenPage, box, drop, make_album, search, settled, show_gallery, tab
from tests.e2e.test_photos import shrunk
from tests.e2e.test_present import SCREENS, presenting
from tests.e2e.test_viewer import open_viewer
from tests.pictures import dated, encoded

pytestmark = pytest.mark.browser
# Colours of the tabs are looked at in every run, those of what opens over them by hand.
BOTH = pytest.mark.parametrize("look", ["wide", pytest.param("dark", marks=pytest.mark.long)])

# Buttons at the edge of a part of Gradio's that would cut off the ring around them, 5 px wide.
CUT_RINGS = """() => [...document.querySelectorAll(".submit-button, #fine .label-wrap")].filter((button) => {
  const { right, width } = button.getBoundingClientRect();
  for (let part = button.parentElement; width && part; part = part.parentElement)
    if (getComputedStyle(part).overflowX !== "visible" && part.getBoundingClientRect().right < right + 5) return true;
  return false;
}).map((button) => button.textContent)"""


def check(page: Page, what: str) -> None:
    """Fail where axe finds anything of serious or critical impact."""
    settled(page)
    found = Axe().run(page).response["violations"]
    serious = [
        (violation["id"], node["target"], node["html"][:120])
        for violation in found
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]
    assert not serious, what


@pytest.mark.parametrize("look", ["wide", "dark"])
def test_every_tab(open_page: OpenPage, look: str) -> None:
    page = open_page(look)
    page.locator("#grid .hit").first.click()
    page.locator("#panel").get_by_role("button", name="How the query fits").click()
    expect(page.locator("#panel .fit")).to_be_visible()
    for name in ("Results", "Albums", "Gallery", "Compare", "Add photos"):
        tab(page, name)
        check(page, name)
        assert not page.evaluate(CUT_RINGS), f"{name}: these show no whole ring when they have the focus"
    page.locator("#tools summary").click()
    check(page, "help")


@BOTH
def test_the_map_and_the_finer_control(open_page: OpenPage, look: str) -> None:
    page = open_page(look)
    tab(page, "Gallery")
    page.locator("#fine").get_by_role("button", name="More").click()
    dot = page.locator("#map g circle").nth(5)
    dot.scroll_into_view_if_needed()
    page.wait_for_timeout(1000)  # what is drawn later would move it away
    dot.hover(force=True)
    expect(page.locator("#map .peek")).to_be_visible()
    check(page, "map")


@BOTH
def test_a_photo_full_screen(open_page: OpenPage, look: str) -> None:
    page = open_page(look)
    open_viewer(page)
    check(page, "viewer")


@BOTH
def test_albums_with_photos_in_them(open_page: OpenPage, look: str) -> None:
    page = open_page(look)
    tab(page, "Albums")
    animals = make_album(page, "animals")
    make_album(page, "flowers")
    menu = animals.locator("select.move").first
    menu.focus()
    menu.select_option("=flowers")
    expect(page.locator("#album-line [data-event=undo]")).to_be_visible(timeout=PATIENCE)
    check(page, "albums")
    page.locator(".album-menu summary").last.click()
    check(page, "menu of an album")


@BOTH
def test_a_gallery_with_stacks_and_years(open_page: OpenPage, tmp_path: Path, look: str) -> None:
    panda = shrunk("giant-panda")
    (tmp_path / "panda.jpg").write_bytes(encoded(panda, "JPEG", exif=dated("2021:03:02 08:00:00")))
    (tmp_path / "panda poor.jpg").write_bytes(encoded(panda, "JPEG", quality=30))
    (tmp_path / "koala.jpg").write_bytes(encoded(shrunk("koala-in-eucalyptus"), "JPEG"))
    (tmp_path / "broken.jpg").write_text("Dear Sir or Madam")
    page = open_page(look)
    drop(page, sorted(tmp_path.iterdir()), f"Years {look}")
    check(page, "report of an upload")
    show_gallery(page, f"Years {look}")
    expect(page.locator("#arrangement select")).to_have_count(2)
    expect(page.locator("#grid .unfold")).to_be_visible()
    check(page, "stack and years")
    page.locator("#grid .unfold").click()
    page.locator("#answer").get_by_role("button", name="Select").click()
    check(page, "open stack, and photos to pick")
    tab(page, "Gallery")
    check(page, "what an owner may set")


@BOTH
def test_each_screen_of_a_presentation(open_page: OpenPage, look: str) -> None:
    page = open_page(look)
    search(page, "polar bear")
    dialog = presenting(page)
    page.keyboard.press("n")
    for number in range(1, SCREENS + 1):
        expect(dialog.locator(".page")).to_have_text(f"{number} / {SCREENS}")
        check(page, f"screen {number}")
        page.keyboard.press("ArrowRight")


@BOTH
def test_what_did_not_work(open_page: OpenPage, look: str) -> None:
    page = open_page(look, "?gallery=closed")
    box(page).fill("dog - 1:dog")
    box(page).press("Enter")
    expect(page.locator("#grid .problem")).to_be_visible()
    check(page, "a link that leads nowhere, and a sum of which nothing is left")
