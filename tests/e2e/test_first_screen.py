"""The first screen: what somebody sees who has never heard of this, before any click."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from app.handlers.search import PAGE
from tests.e2e.driver import EACH_LOOK, EACH_LOOK_BY_HAND, REFUSED, ROOT, OpenPage, box, keep, search, serving, tab

pytestmark = pytest.mark.browser

QUERIES = [asked["query"] for asked in json.loads((ROOT / "assets/gallery/queries.json").read_text(encoding="utf-8"))]
# Cards that are wholly in view, and of each its strip's share, filled part and what it says was saved.
CARDS = """() => [...document.querySelectorAll("#grid .hit")]
  .filter((hit) => hit.getBoundingClientRect().bottom <= innerHeight)
  .map((hit) => {
    const strip = hit.querySelector(".strip");
    const width = (part) => part.getBoundingClientRect().width;
    const filled = [...strip.querySelectorAll(".on")].reduce((sum, part) => sum + width(part), 0);
    return { share: Number(strip.dataset.share), whole: width(strip), filled,
             saved: parseInt(hit.querySelector(".saved").textContent), frame: width(hit) };
  })"""

# Whether the filled and the hollow parts of a strip are there in the colours that the system forces.
DRAWN = """() => {
  const style = (part) => getComputedStyle(document.querySelector(part));
  const filled = style("#grid .strip .on").backgroundColor !== style("body").backgroundColor;
  return filled && style("#grid .strip .off").boxShadow !== "none";
}"""

# Photos and tabs that are not wholly within the width of what is in line with them.
BESIDE = """() => [...document.querySelectorAll("#grid .hit, #tabs [role=tab]")].filter((part) => {
  const box = part.getBoundingClientRect(), line = document.querySelector("#query").getBoundingClientRect();
  return box.left < line.left - 1 || box.right > line.right + 1;
}).map((part) => part.innerText)"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page where nobody has asked anything."""
    with serving(tmp_path_factory.mktemp("home")) as address:
        yield address


@EACH_LOOK_BY_HAND
def test_the_first_visit_shows_a_gallery_with_a_query_answered(open_page: OpenPage, look: str) -> None:
    page = open_page(look)
    expect(page.locator("#headline")).to_contain_text(re.compile(r"indexed with \d+\s% of the full encoder’s compute"))
    expect(box(page)).not_to_have_value("")
    assert page.locator("#grid .hit").count() >= 1
    expect(page.locator("#answer [role=status]")).to_have_text("a landmark: No photo needed a second look.")
    keep(page, f"first-start-{look}", page.locator("#headline"), page.locator("#grid .hit img"))
    search(page, "a place to visit")
    expect(page.locator("#answer [role=status]")).to_contain_text("Second look at")


@EACH_LOOK
def test_the_first_screen_tells_the_story(open_page: OpenPage, look: str) -> None:
    page = open_page(look)
    cards = page.evaluate(CARDS)
    assert len(cards) >= (4 if look == "phone" else 8)
    assert {card["share"] < 0.5 for card in cards} == {True, False}, "photos differ in depth"
    for card in cards:
        assert card["filled"] == pytest.approx(card["share"] * card["whole"], abs=1.5)
        assert card["whole"] == pytest.approx(card["frame"], abs=1)
        assert card["saved"] == pytest.approx(100 * (1 - card["share"]), abs=0.51)
    expect(page.locator("#headline")).to_contain_text(re.compile(r"indexed with \d+\s% of the full encoder’s compute"))
    for words in ("filled = computed", "hollow = saved"):
        expect(page.locator("#answer .legend")).to_contain_text(words)
    unseen = page.get_by_test_id("status-tracker").filter(visible=True)
    assert unseen.count() == 0, "read aloud, as it counts seconds, and not to be seen"
    page.emulate_media(forced_colors="active")
    assert page.evaluate(DRAWN)


def test_photos_in_doubt_get_a_second_look(open_page: OpenPage) -> None:
    page = open_page("wide", motion="no-preference")
    for query in ("a city", "a building", "landscape", "a trip"):
        search(page, query)
        expect(page.locator("#answer")).to_contain_text("Second look at")
        if page.locator("#grid li[data-again]").count():
            break
    assert page.locator("#grid li[data-again] .strip .new").count()
    marked = page.locator("#grid .hit[aria-current]")
    expect(marked).to_have_attribute("data-photo", page.locator(".panel").get_attribute("data-photo") or "")
    page.wait_for_timeout(2500)  # cards glide, strips fill
    again = page.locator("#grid li[data-again] .again")
    expect(again.first).to_have_text("second look")
    again.first.scroll_into_view_if_needed()
    keep(page, "refined-wide", again)


def test_the_list_scrolls_on_past_the_line(open_page: OpenPage) -> None:
    page = open_page("wide")
    expect(page.locator("#grid .falls")).to_have_count(1)
    page.locator("#grid .hit").last.scroll_into_view_if_needed()
    expect(page.locator("#grid .hit")).to_have_count(38)


@pytest.fixture(scope="module")
def public_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A host that strangers come to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TGEM_PUBLIC", "1")
        with serving(tmp_path_factory.mktemp("public")) as address:
            yield address


def seen(page: Page) -> tuple[str, ...]:
    """What a visitor sees of an answer: of its photos those that come with it, for more come as its end comes near."""
    shares = page.evaluate("[...document.querySelectorAll('#grid .strip')].map((strip) => strip.dataset.share)")
    names = page.evaluate("[...document.querySelectorAll('#grid img')].map((photo) => photo.alt)")
    numbers = page.locator("#grid .numbers").all_inner_texts()
    line = page.locator("#answer [role=status]").inner_text()
    # Where this host has raced meanwhile, the headline tells its speed, whichever it was.
    headline = re.sub(r" · [^·]* \((shipped measurement|measured), .*", "", page.locator("#headline").inner_text())
    return line, headline, *shares[:PAGE], *names[:PAGE], *numbers[:PAGE]


@pytest.mark.parametrize("visitors", [3, pytest.param(20, marks=pytest.mark.long)])
def test_later_visitors_of_a_public_host_see_what_the_first_one_saw(
    open_page: OpenPage, public_address: str, visitors: int
) -> None:
    first: dict[str, tuple[str, ...]] = {}
    for number in range(visitors):
        page = open_page("wide", at=public_address)
        assert seen(page) == first.setdefault("on arrival", seen(page))
        # The same two of everybody, and between them one that nobody has asked before.
        for query in ("buildings by the water", QUERIES[-1 - number], "flowers"):
            search(page, query)
            assert seen(page) == first.setdefault(query, seen(page)), f"“{query}” of visitor {number + 1}"
        page.context.close()


def test_who_keeps_nothing_is_told_before_they_add_photos(open_page: OpenPage, public_address: str) -> None:
    page = open_page("wide", at=public_address)
    told = page.get_by_text("Your browser keeps nothing for this page here.")
    tab(page, "Add photos")
    expect(page.get_by_text("Many at once")).to_be_visible()
    expect(told).to_be_hidden()
    page.add_init_script(REFUSED)
    page.reload()
    tab(page, "Add photos")
    expect(told).to_be_visible()


# Whether the buttons of the head, high enough for a finger, end where the sentence begins, or lie beside it.
CLEAR = """(() => {
  const box = (part) => document.querySelector(part).getBoundingClientRect();
  const tools = box("#head > #tools"), sentence = box(".intro p");
  return tools.bottom <= sentence.top + 1 || tools.left >= sentence.right - 1;
})()"""


def test_the_first_screen_fits_a_projector_and_the_narrowest_phone(open_page: OpenPage) -> None:
    page = open_page("wide")
    page.set_viewport_size({"width": 1920, "height": 1080})
    page.wait_for_timeout(300)
    assert len(page.evaluate(CARDS)) >= 8
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for width in (360, 320):  # the latter is also a screen of 1280 that is enlarged four times
        page.set_viewport_size({"width": width, "height": 568})
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert not page.evaluate(BESIDE)


def test_photos_take_the_width_of_every_screen_that_has_no_room_for_a_panel(open_page: OpenPage) -> None:
    page = open_page("phone")
    for width in (320, 390, 480, 620, 750):
        page.set_viewport_size({"width": width, "height": 844})
        beside = page.evaluate(
            "document.querySelector('#tabs').clientWidth - document.querySelector('#grid').clientWidth"
        )
        assert abs(beside) <= 1, f"{beside} px are left at {width}"
        frames = [photo["frame"] for photo in page.evaluate(CARDS)]
        assert 2 * frames[0] < width < 6 * frames[0]
        assert page.evaluate(CLEAR), f"buttons lie over the page's sentence at {width}"


def test_the_stylesheet_reaches_what_it_names(open_page: OpenPage) -> None:
    """Gradio puts its own names before every rule: one that is written otherwise matches nothing, silently."""
    page = open_page("phone")
    style = "(part, name) => getComputedStyle(part)[name]"
    assert page.locator("#grid .strip i").first.evaluate(style, "printColorAdjust") == "exact"
    search(page, "a dog")
    assert float(page.locator("#answer").evaluate(style, "minHeight").removesuffix("px")) > 90, (
        "no line moves the photos"
    )
