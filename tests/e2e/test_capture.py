"""The moving picture of the README and the card of link previews, taken from the real page; run before a release."""

import base64
import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.e2e.driver import ROOT, SCREENSHOTS, OpenPage, answered, box, make_album, tab

pytestmark = [pytest.mark.browser, pytest.mark.long]

MOST = 3_000_000  # bytes of the moving picture
WIDTH = 900  # px of it
LONGEST = 14.0  # seconds of it; on a busy machine it is played faster
QUERY = "a building"
# A dot where the mouse is: pictures of a page do not show it.
POINTER = """() => {
  const dot = document.createElement("div");
  dot.style.cssText = "position:fixed;z-index:99;left:-40px;top:-40px;width:20px;height:20px;margin:-10px;" +
    "border-radius:99px;background:rgb(28 25 23/.5);border:2px solid #fff;pointer-events:none";
  document.body.append(dot);
  const follow = ({ clientX, clientY }) => Object.assign(dot.style, { left: `${clientX}px`, top: `${clientY}px` });
  for (const kind of ["mousemove", "dragover"]) addEventListener(kind, follow, true);
}"""
# Title, sentence, search box and photos alone, as large as a card that is shown small needs them.
CARD = """
#tools, #which, #suggestions, #tabs .tab-wrapper, #answer, #aside, #picture, #refine, .submit-button, #grid .falls {
  display: none !important;
}
.gradio-container { font-size: 21px !important; }
.gradio-container > main, .gradio-container main.app { padding: 30px 44px !important; }
.intro { display: block; }
.gradio-container .intro h1 { font-size: 60px; line-height: 1.1; }
.intro p { font-size: 29px; }
#grid .grid { grid-template-columns: repeat(5, 1fr) !important; gap: 18px !important; }
#grid .hit .frame { outline: none !important; }
#grid .numbers { gap: .35em; letter-spacing: -.02em; }
"""


class Film:
    """What a page shows from now on: each frame, and when it was drawn."""

    def __init__(self, page: Page) -> None:
        self._frames: list[tuple[float, bytes]] = []
        self._screen = page.context.new_cdp_session(page)
        self._screen.on("Page.screencastFrame", self._take)
        self._screen.send("Page.startScreencast", {"format": "jpeg", "quality": 95})

    def _take(self, frame: dict[str, Any]) -> None:
        self._frames.append((frame["metadata"]["timestamp"], base64.b64decode(frame["data"])))
        self._screen.send("Page.screencastFrameAck", {"sessionId": frame["sessionId"]})

    def save(self, path: Path) -> float:
        """Write it as a picture that moves for ever; returns its seconds."""
        self._screen.send("Page.stopScreencast")
        times = [time for time, _ in self._frames]
        lasts = [after - time for time, after in pairwise(times)] + [1.0]
        pace = min(1.0, LONGEST / sum(lasts))
        drawn = [Image.open(io.BytesIO(data)) for _, data in self._frames]
        small = [
            frame.resize((WIDTH, frame.height * WIDTH // frame.width), Image.Resampling.LANCZOS) for frame in drawn
        ]
        rounded = [max(round(1000 * pace * seconds), 20) for seconds in lasts]
        small[0].save(path, save_all=True, append_images=small[1:], duration=rounded, loop=0, quality=60, method=6)
        return pace * sum(lasts)


def point(page: Page, at: Locator, down: bool = False) -> None:
    """Move the mouse there as a hand does."""
    middle = at.bounding_box()
    assert middle is not None
    page.mouse.move(middle["x"] + middle["width"] / 2, middle["y"] + middle["height"] / 2, steps=12)
    page.wait_for_timeout(200)
    if down:
        page.mouse.down()
        page.wait_for_timeout(200)


def test_the_readme_shows_a_search_from_its_words_to_why_a_photo_stopped(open_page: OpenPage) -> None:
    page = open_page("wide", motion="no-preference")
    page.set_viewport_size({"width": 1200, "height": 750})
    tab(page, "Albums")
    for album in ("animals", "birds"):
        make_album(page, album)
    tab(page, "Results")
    page.evaluate(POINTER)
    film = Film(page)
    page.wait_for_timeout(1200)
    ask(page)
    look_why(page)
    move_a_photo(page)
    path = SCREENSHOTS / "search.webp"
    seconds = film.save(path)
    assert 8 < seconds < 15
    assert path.stat().st_size < MOST
    with Image.open(path) as moving:
        assert moving.width == WIDTH
        assert getattr(moving, "n_frames", 1) > 30


def ask(page: Page) -> None:
    """Type a query, and see photos move when second looks come."""
    point(page, box(page))
    box(page).click(click_count=3)
    box(page).press_sequentially(QUERY, delay=45)
    box(page).press("Enter")
    expect(page.locator("#answer .answer")).to_have_attribute("data-query", QUERY)
    answered(page)
    assert page.locator("#grid li[data-again]").count()
    page.wait_for_timeout(2200)  # cards glide, strips fill


def look_why(page: Page) -> None:
    """Select a photo, and read why it stopped."""
    hit = page.locator("#grid .hit").nth(3)
    point(page, hit)
    hit.click()
    expect(page.locator(".panel[data-picked] .sights")).to_be_attached()
    page.wait_for_timeout(500)
    for _ in range(8):
        page.locator("#aside").evaluate("(aside) => aside.scrollBy(0, 50)")
        page.wait_for_timeout(40)
    page.wait_for_timeout(1500)


def move_a_photo(page: Page) -> None:
    """Drag a photo in doubt into its album."""
    point(page, page.get_by_role("tab", name="Albums"))
    tab(page, "Albums")
    card = page.locator(".album.pile li[data-photo]").first
    photo = card.get_attribute("data-photo")
    page.wait_for_timeout(700)
    point(page, card.locator("img"), down=True)
    there = page.locator(".album[data-key='=birds']")
    point(page, there.locator("li[data-photo]").first)
    page.mouse.up()
    expect(there.locator(f"li[data-photo='{photo}']")).to_be_visible()
    page.wait_for_timeout(1200)


def test_a_link_preview_shows_title_sentence_and_a_search(open_page: OpenPage) -> None:
    page = open_page("wide")
    page.set_viewport_size({"width": 1200, "height": 630})
    answered(page)
    page.add_style_tag(content=CARD)
    page.evaluate("document.activeElement?.blur()")
    page.mouse.move(0, 0)
    page.wait_for_function(
        "[...document.images].every((i) => i.complete || i.getBoundingClientRect().top > innerHeight)"
    )
    page.screenshot(path=ROOT / "assets" / "social-card.jpg", type="jpeg", quality=88)
