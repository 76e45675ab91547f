"""Photos as people have them: HEIC and AVIF, by date and year, stacks of near-duplicates, and the map of a gallery."""

import re
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.e2e.driver import EACH_LOOK, EACH_LOOK_BY_HAND, OpenPage, answered, drop, search, tab
from tests.pictures import dated, encoded, heic

pytestmark = pytest.mark.browser

DEMO = Path(__file__).parents[2] / "assets" / "gallery"


def shrunk(name: str) -> Image.Image:
    picture = Image.open(DEMO / f"{name}.jpg").convert("RGB")
    picture.thumbnail((480, 480))
    return picture


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """A HEIC, an AVIF and a JPEG with their dates, and a picture without one."""
    (tmp_path / "panda.heic").write_bytes(
        heic(shrunk("giant-panda"), exif=dated("2021:03:02 08:00:00", "+08:00").tobytes())
    )
    (tmp_path / "goldfish.avif").write_bytes(encoded(shrunk("goldfish"), "AVIF", exif=dated("2019:07:14 18:30:05")))
    (tmp_path / "koala.jpg").write_bytes(
        encoded(shrunk("koala-in-eucalyptus"), "JPEG", exif=dated("2021:12:31 23:59:59"))
    )
    (tmp_path / "moose.webp").write_bytes(encoded(shrunk("moose-with-antlers"), "WEBP"))
    (tmp_path / "broken.heic").write_bytes((tmp_path / "panda.heic").read_bytes()[:300])
    return sorted(tmp_path.iterdir())


def wait_for_photos(page: Page, *names: str) -> None:
    """Wait until just these are on show, in this order."""
    page.wait_for_function(
        "(alts) => [...document.querySelectorAll('#grid .hit img')].map((image) => image.alt).join() === alts",
        arg=",".join(f"Photo: {name}" for name in names),
    )


def choose(page: Page, box: str, value: str) -> None:
    page.locator(f"#arrangement select[name={box}]").select_option(value)


@EACH_LOOK
def test_heic_and_avif_are_found_sorted_by_date_and_filtered_by_year(
    open_page: OpenPage, files: list[Path], look: str
) -> None:
    page = open_page(look)
    expect(page.locator("#arrangement select")).to_have_count(0)
    drop(page, files, f"Phone {look}")
    expect(page.locator(".report").first).to_contain_text("broken.heic")
    tab(page, "Results")
    answered(page)
    choose(page, "order", "newest")
    wait_for_photos(page, "koala", "panda", "goldfish", "moose")
    choose(page, "order", "oldest")
    wait_for_photos(page, "goldfish", "panda", "koala", "moose")
    choose(page, "year", "2021")
    wait_for_photos(page, "panda", "koala")
    search(page, "a goldfish")
    expect(page.locator("#grid .hit")).to_have_count(2)
    expect(page.locator("#arrangement select")).to_have_count(1)
    choose(page, "year", "any")
    expect(page.locator("#grid .hit img").first).to_have_attribute("alt", "Photo: goldfish")
    search(page, "")
    expect(page.locator("#arrangement select[name=order]")).to_have_value("oldest")
    page.wait_for_function("location.search.endsWith('order=oldest')")
    choose(page, "year", "2021")
    wait_for_photos(page, "panda", "koala")
    page.wait_for_function("location.search.endsWith('order=oldest&year=2021')")
    page.reload()
    answered(page)
    wait_for_photos(page, "panda", "koala")
    page.go_back()
    expect(page.locator("#arrangement select[name=year]")).to_have_value("any")
    expect(page.locator("#grid .hit")).to_have_count(4)
    expect(page.locator("#arrangement select[name=order]")).to_have_value("oldest")


@pytest.mark.parametrize("look", ["wide", "phone"])
def test_a_stack_shows_its_count_opens_and_every_photo_in_it_can_be_selected(
    open_page: OpenPage, tmp_path: Path, look: str
) -> None:
    panda = shrunk("giant-panda")
    (tmp_path / "a panda.jpg").write_bytes(encoded(panda, "JPEG", quality=90))
    (tmp_path / "b koala.jpg").write_bytes(encoded(shrunk("koala-in-eucalyptus"), "JPEG", quality=90))
    (tmp_path / "c panda small.jpg").write_bytes(encoded(panda.resize((240, 180)), "JPEG"))
    (tmp_path / "d panda poor.jpg").write_bytes(encoded(panda, "JPEG", quality=30))
    page = open_page(look)
    drop(page, sorted(tmp_path.iterdir()), f"Burst {look}")
    tab(page, "Results")
    answered(page)
    shown = page.locator("#grid li:visible")
    expect(shown).to_have_count(2)
    button = page.locator("#grid .unfold")
    expect(button).to_have_text("3 alike")
    button.click()
    expect(shown).to_have_count(4)
    wait_for_photos(page, "a panda", "c panda small", "d panda poor", "b koala")
    page.locator("#grid .hit").nth(2).click()
    expect(page.locator("#panel .file")).to_contain_text("d panda poor.jpg")
    if look == "phone":
        page.locator("#panel .close").click()
    button.click()
    expect(shown).to_have_count(2)
    button.click()
    page.locator("#answer").get_by_role("button", name="Select").click()
    for place in (0, 1, 2):
        page.locator("#grid .hit").nth(place).click()
    button.click()  # what lies in the stack stays ticked
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download 3 as ZIP").click()
    with zipfile.ZipFile(saved.value.path()) as archive:
        assert [name[0] for name in archive.namelist()] == ["a", "c", "d"]
    search(page, "a panda")
    expect(page.locator("#grid .unfold")).to_be_visible()
    expect(page.locator("#grid .hit[aria-pressed]")).to_have_count(0)


@EACH_LOOK_BY_HAND
def test_a_dot_of_the_map_shows_its_photo_and_selects_it(open_page: OpenPage, look: str) -> None:
    page = open_page(look)
    expect(page.locator("#map circle")).to_have_count(0)
    tab(page, "Gallery")
    dots = page.locator("#map g circle")
    expect(dots).to_have_count(len(list(DEMO.glob("*.jpg"))))
    for part in ("figures", "histogram", "curve", "prospect"):  # what comes later would move the map away
        expect(page.locator(f"#{part}")).not_to_be_empty()
    page.wait_for_selector("#histogram figure")
    page.wait_for_timeout(1000)
    dot = dots.nth(5)
    dot.scroll_into_view_if_needed()
    dot.hover(force=True)
    peek = page.locator("#map .peek")
    expect(peek).to_contain_text(page.locator("#map circle.pointed").get_attribute("data-name") or "?")
    page.locator("#map .zoom[data-zoom=in]").click()
    expect(peek).to_be_hidden()
    assert "scale(1.6" in (page.locator("#map g").get_attribute("transform") or "")
    page.locator("#map .zoom[data-zoom=all]").click()
    dot.hover(force=True)
    pointed = page.locator("#map circle.pointed").get_attribute("data-name") or "?"
    dot.click(force=True)
    expect(page.locator("#panel .file")).to_contain_text(pointed)
    expect(page.get_by_role("tab", name="Results")).to_have_attribute("aria-selected", "true")


def test_the_wheel_scrolls_past_the_map_and_zooms_it_with_ctrl(open_page: OpenPage) -> None:
    page = open_page("wide")
    tab(page, "Gallery")
    group, field = page.locator("#map g"), page.locator("#map .field")
    expect(page.locator("#prospect")).not_to_be_empty()
    page.wait_for_timeout(1000)  # what comes later moves the map
    field.scroll_into_view_if_needed()
    field.hover()
    before = page.evaluate("scrollY")
    page.mouse.wheel(0, 240)
    page.wait_for_function("(before) => scrollY > before", arg=before)
    assert "scale" not in (group.get_attribute("transform") or "")
    field.hover()
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    expect(group).to_have_attribute("transform", re.compile(r"scale\(2\."))
    for _ in range(9):
        page.locator("#map .zoom[data-zoom=in]").click()
    box = field.bounding_box()
    dots = [dot.bounding_box() for dot in page.locator("#map g circle").all()]
    assert box is not None
    left, top, right, bottom = box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]
    assert any(dot and left < dot["x"] < right and top < dot["y"] < bottom for dot in dots), "buttons keep one in view"


def test_keys_with_a_modifier_stay_the_browsers(open_page: OpenPage) -> None:
    page = open_page("wide")
    kept = """(part, held) => {
      const pressed = {key: "ArrowLeft", bubbles: true, cancelable: true, ...held};
      return part.dispatchEvent(new KeyboardEvent("keydown", pressed));
    }"""
    third = page.locator("#grid .hit").nth(2)
    assert not third.evaluate(kept, {}), "the arrow alone goes to the next photo"
    assert third.evaluate(kept, {"altKey": True})
    third.click()
    page.locator("#panel .enlarge").click()
    viewer = page.locator("dialog.viewer[open]")
    assert not viewer.evaluate(kept, {})
    assert viewer.evaluate(kept, {"altKey": True})


def test_a_finger_on_the_map_selects_by_the_photo_that_it_shows(open_page: OpenPage) -> None:
    page = open_page("phone")
    tab(page, "Gallery")
    dot, peek = page.locator("#map g circle").nth(5), page.locator("#map .peek")
    expect(dot).to_be_attached()
    page.wait_for_timeout(1000)  # what comes later moves the map
    dot.scroll_into_view_if_needed()
    dot.tap(force=True)
    expect(peek).to_be_visible()
    name = page.locator("#map circle.pointed").get_attribute("data-name") or "?"
    peek.tap()
    expect(page.locator("#panel .file")).to_contain_text(name)
