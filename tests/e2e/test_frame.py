"""The page on the Hub: in a frame that is as high as the page, and at a Space's own address; in a real Chromium."""

import re
from typing import Literal

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.driver import ON_TOP, OpenPage

pytestmark = pytest.mark.browser

# What iframe-resizer does on the Hub's side: the frame gets the height that the page asks for, and is told where it is.
HUB = """<!doctype html><body style="margin: 0"><iframe src="/" style="width: 100%; height: 600px; border: 0"></iframe>
<script>
const frame = document.querySelector("iframe");
const say = (words) => frame.contentWindow.postMessage("[iFrameSizer]" + words);
const place = () => say("pageInfo:" + JSON.stringify({ scrollTop: scrollY, offsetTop: 0, clientHeight: innerHeight }));
frame.onload = () => say("hub:8:false:false:32:true:true:null:bodyOffset:null:null:0:false:parent:scroll:true");
addEventListener("scroll", place);
addEventListener("message", ({ data }) => {
  const [, height, , asked] = String(data).split(":");
  if (asked === "pageInfo") place();
  else if (asked === "scrollToOffset") scrollTo(0, height);
  else if (Number(height)) frame.style.height = height + "px";
});
</script>"""

# As Safari does: what comes into view in the frame, or gets the focus there, scrolls nothing outside.
UNSCROLLED = """() => {
  Element.prototype.scrollIntoView = () => {};
  const { focus } = HTMLElement.prototype;
  HTMLElement.prototype.focus = function () { focus.call(this, { preventScroll: true }); };
}"""

# As Gradio adds it where a Space is shown in no frame of the Hub's.
LINE = """() => {
  const line = Object.assign(document.createElement("div"), { id: "huggingface-space-header" });
  line.style = "position: fixed; right: .75rem; top: .75rem; width: auto; height: 40px; padding: 0 60px; z-index: 20";
  document.body.append(line);
}"""

# What Gradio asks the frame's keeper while it shows a message, and when the message goes.
MESSAGE = "() => { parentIFrame.getPageInfo(() => {}); parentIFrame.getPageInfo(false); }"


@pytest.mark.parametrize("look", ["wide", "phone"])
def test_what_lies_over_the_page_is_where_the_frame_is_in_view(open_page: OpenPage, look: str) -> None:
    page = open_page(look)
    page.route("**/hub", lambda route: route.fulfill(body=HUB, content_type="text/html"))
    page.goto(page.url + "hub")
    framed = page.frame_locator("iframe")
    expect(framed.locator("#answer [data-gallery]")).to_be_attached()
    framed.locator("html").evaluate(MESSAGE)
    hit = framed.locator("#grid .hit").nth(18)
    hit.scroll_into_view_if_needed()
    hit.click()
    expect(framed.locator(".panel[data-picked]")).to_be_in_viewport(ratio=0.99)
    framed.locator(".panel .enlarge").click()
    expect(framed.locator("dialog.viewer")).to_be_in_viewport(ratio=0.99)
    framed.locator("html").evaluate("() => void tgem.ask('Delete this photo for good?', 'Delete')")
    expect(framed.get_by_role("alertdialog")).to_be_in_viewport(ratio=0.99)


def test_the_hub_scrolls_where_the_browser_does_not(open_page: OpenPage) -> None:
    page = open_page("wide")
    page.route("**/hub", lambda route: route.fulfill(body=HUB, content_type="text/html"))
    page.goto(page.url + "hub")
    framed = page.frame_locator("iframe")
    expect(framed.locator("#answer [data-gallery]")).to_be_attached()
    framed.locator("html").evaluate(UNSCROLLED)
    hits = framed.locator("#grid .hit")
    hits.nth(12).click()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    expect(framed.locator("#grid .hit:focus")).to_be_in_viewport(ratio=0.99)
    expect(framed.locator("#tools")).not_to_be_in_viewport()
    framed.locator(".panel [data-event=alike]").click()
    expect(framed.locator("#tools")).to_be_in_viewport(ratio=0.99)


def test_a_reload_keeps_the_theme_that_the_hub_has_asked_for(open_page: OpenPage) -> None:
    page = open_page("wide", "/?__theme=dark&q=a+boat")
    page.locator("#tabs").get_by_role("tab", name="Gallery").click()
    expect(page).to_have_url(re.compile(r"__theme=dark&q=a\+boat&tab=gallery$"))
    page.reload()
    expect(page.locator("body.dark")).to_be_attached()


@pytest.mark.parametrize("system", ["light", "dark"])
@pytest.mark.parametrize("asked", ["light", "dark", "system"])
def test_the_first_moment_has_the_theme_that_the_page_will_have(
    browser: Browser, address: str, system: Literal["light", "dark"], asked: str
) -> None:
    page = browser.new_page(color_scheme=system)
    page.route("**/assets/*.js", lambda route: route.abort())  # Gradio's never come
    page.goto(f"{address}/?__theme={asked}")
    dark = "dark" in (asked, system if asked == "system" else "")
    expect(page.locator("#first")).to_have_css("background-color", "rgb(22, 21, 19)" if dark else "rgb(251, 250, 248)")
    page.close()


def test_the_line_of_a_space_covers_no_button(open_page: OpenPage) -> None:
    page = open_page("wide")
    page.evaluate(LINE)
    for button in page.locator("#tools button, #tools summary").all():
        assert button.evaluate(ON_TOP)
