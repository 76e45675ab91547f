"""The page's address in a real Chromium: it follows what is on show, and Back, a reload and a link bring it again."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from tests.e2e.driver import PATIENCE, OpenPage, answered, box, drop, intercept, search, tab, two_photos
from tests.e2e.test_viewer import open_viewer
from tests.pictures import MakePng

pytestmark = pytest.mark.browser
SWIPE_DOWN = """(stage) => {
  const finger = (clientY) => new Touch({ identifier: 0, target: stage, clientX: 200, clientY });
  const tell = (type, names) => stage.dispatchEvent(new TouchEvent(type, { bubbles: true, ...names }));
  tell("touchstart", { touches: [finger(300)] });
  tell("touchend", { changedTouches: [finger(420)] });
}"""

# An answer writes other words into the box just after these were typed, before the browser tells of the caret.
ANSWER_AT_ONCE = """(typed) => {
  const box = document.querySelector("#query input");
  box.addEventListener("input", (event) => {
    if (!event.isTrusted || box.value !== typed) return;
    box.value = "polar bear";
    box.dispatchEvent(new Event("input", { bubbles: true }));
  });
}"""

ANSWER_NOW = """() => {
  const box = document.querySelector("#query input");
  box.value = "polar bear";
  box.dispatchEvent(new Event("input", { bubbles: true }));
}"""

# Words and Enter at once, as on a page that is busy: the list of the box is still of the words before.
ENTER_AT_ONCE = """(box, words) => {
  const press = (key) => box.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  press(words.at(-1) ?? "Delete");
  box.value = words;
  box.dispatchEvent(new Event("input", { bubbles: true }));
  press("Enter");
}"""

# The stream with the answers to two questions comes in the moment in which the page hears that the second was sent.
BOTH_AT_ONCE = """(() => {
  const ask = window.fetch, after = (n) => n ? Promise.resolve().then(() => after(n - 1)) : null;
  let sent = 0, stream, tell, hear;
  const both = new Promise((resolve) => (tell = resolve)), come = new Promise((resolve) => (hear = resolve));
  window.fetch = async (...request) => {
    const path = request[0].url ?? String(request[0]);
    if (!window.together) return ask(...request);
    if (path.includes("/queue/data") && !stream) {
      stream = both.then(() => ask(...request)).then((answer) => answer.arrayBuffer());
      const told = new Uint8Array(await stream);
      hear();
      await after(50);
      const body = new ReadableStream({ start: (out) => out.enqueue(told) });
      return new Response(body, { headers: { "content-type": "text/event-stream" } });
    }
    const answer = await ask(...request);
    if (!path.includes("/queue/join") || ++sent !== 2) return answer;
    const value = await answer.json();
    tell();
    await come;
    return Object.assign(new Response("", answer), { json: async () => value });
  };
})()"""

# The page reads what holds some words late, and all that comes after it, as one that is busy would.
LATE = """((words) => {
  const ask = window.fetch, decoder = new TextDecoder(), encoder = new TextEncoder();
  const late = () => new TransformStream({ async transform(chunk, out) {
    for (const event of decoder.decode(chunk, { stream: true }).split(/(?=data: )/)) {
      if (event.includes(words)) await new Promise((resolve) => setTimeout(resolve, 4000));
      out.enqueue(encoder.encode(event));
    }
  } });
  window.fetch = async (...request) => {
    const answer = await ask(...request);
    if (!(request[0].url ?? String(request[0])).includes("/queue/data")) return answer;
    return new Response(answer.body.pipeThrough(late()), { status: answer.status, headers: answer.headers });
  };
})"""


# The answer to a request for a stream comes late, as from afar, and what it has to tell all at once.
LATE_STREAM = """
  const ask = window.fetch;
  window.fetch = async (...request) => {
    const answer = await ask(...request);
    const isStream = (request[0].url ?? String(request[0])).includes("/queue/data");
    if (isStream) await new Promise((resolve) => setTimeout(resolve, 300));
    return answer;
  };
"""


def asked(page: Page) -> dict[str, str]:
    """What the address names."""
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def wait_for_address(page: Page, **names: str) -> None:
    """Wait until the address names just this."""
    page.wait_for_function(
        "(names) => { const now = Object.fromEntries(new URLSearchParams(location.search));"
        " return JSON.stringify(Object.entries(now).sort()) === JSON.stringify(Object.entries(names).sort()); }",
        arg=names,
    )
    page.wait_for_timeout(400)  # it stays so


def selected_tab(page: Page) -> str:
    return page.locator("#tabs [role=tab][aria-selected=true]").inner_text()


def test_back_brings_query_tab_and_photo_again(open_page: OpenPage) -> None:
    page = open_page("wide")
    assert urlsplit(page.url).query == ""  # a first visit has nothing to say
    first = box(page).input_value()
    search(page, "polar bear")
    wait_for_address(page, q="polar bear")
    chosen = page.locator("#grid .hit").nth(1)
    photo = chosen.get_attribute("data-photo") or ""
    chosen.click()
    wait_for_address(page, q="polar bear", photo=photo)
    page.locator(".panel .enlarge").click()
    expect(page.locator("dialog.viewer")).to_be_visible()
    page.go_back()
    expect(page.locator("dialog.viewer")).to_be_hidden()  # which is what a visitor wants gone first
    wait_for_address(page, q="polar bear", photo=photo)
    page.go_back()
    expect(box(page)).to_have_value(first)  # a photo that is selected beside the results is no step
    answered(page)
    page.go_forward()
    expect(box(page)).to_have_value("polar bear")
    expect(page.locator(f".panel[data-picked][data-photo='{photo}']")).to_be_visible()
    wait_for_address(page, q="polar bear", photo=photo)
    tab(page, "Gallery")
    wait_for_address(page, q="polar bear", photo=photo, tab="gallery")
    page.go_back()
    wait_for_address(page, q="polar bear", photo=photo)
    assert selected_tab(page) == "Results"


def test_back_closes_the_sheet_of_a_photo_on_a_phone_and_the_next_begins_at_its_top(open_page: OpenPage) -> None:
    page = open_page("phone")
    search(page, "polar bear")
    wait_for_address(page, q="polar bear")
    page.locator("#grid .hit").nth(1).click()
    page.wait_for_function("new URLSearchParams(location.search).has('photo')")
    page.locator(".panel").evaluate("(sheet) => sheet.scrollBy(0, 300)")
    page.go_back()
    expect(page.locator(".panel[data-picked]")).to_have_count(0)
    wait_for_address(page, q="polar bear")
    page.locator("#grid .hit").nth(2).click()
    expect(page.locator(".panel[data-picked]")).to_be_visible()
    assert page.locator(".panel").evaluate("(sheet) => sheet.scrollTop") == 0


@pytest.mark.parametrize("how", ["back", "button", "swipe"])
def test_back_closes_the_viewer_over_the_sheet_and_then_the_sheet(open_page: OpenPage, how: str) -> None:
    page = open_page("phone")
    search(page, "polar bear")
    open_viewer(page)
    photo = page.locator(".panel[data-picked]").get_attribute("data-photo") or ""
    wait_for_address(page, q="polar bear", photo=photo)
    if how == "back":
        page.go_back()
    elif how == "button":
        page.locator(".viewer .shut").click()
    else:
        page.locator(".viewer .stage").evaluate(SWIPE_DOWN)
    expect(page.locator("dialog.viewer")).to_be_hidden()
    wait_for_address(page, q="polar bear", photo=photo)
    expect(page.locator(".panel .enlarge")).to_be_focused()
    page.go_back()
    expect(page.locator(".panel[data-picked]")).to_have_count(0)
    wait_for_address(page, q="polar bear")


def test_a_reload_and_a_link_open_query_tab_and_photo(open_page: OpenPage) -> None:
    page = open_page("wide")
    search(page, "windmill + sky")
    chosen = page.locator("#grid .hit").nth(3)
    photo = chosen.get_attribute("data-photo") or ""
    chosen.click()
    wait_for_address(page, q="windmill + sky", photo=photo)
    other = open_page("wide", "?" + urlsplit(page.url).query)
    tab(page, "Compare")
    wait_for_address(page, q="windmill + sky", photo=photo, tab="compare")
    expect(page.locator("#sides .duel")).to_be_visible(timeout=PATIENCE)
    page.wait_for_timeout(1000)  # a reload cuts off what is still on its way
    page.reload()
    expect(page.get_by_role("tab", name="Compare")).to_have_attribute("aria-selected", "true", timeout=PATIENCE)
    wait_for_address(page, q="windmill + sky", photo=photo, tab="compare")
    for opened in (page, other):
        expect(box(opened)).to_have_value("windmill + sky")
        expect(opened.locator(f".panel[data-picked][data-photo='{photo}']")).to_be_attached()
        expect(opened.locator("#grid .hit[aria-current]")).to_have_attribute("data-photo", photo)
    box(other).fill("half a que")
    other.reload()
    expect(box(other)).to_have_value("half a que")
    answered(other)
    expect(box(other)).to_have_value("half a que")


def test_the_address_follows_in_a_browser_that_does_not_count_its_terms(open_page: OpenPage) -> None:
    page = open_page("wide")
    page.evaluate("delete URLSearchParams.prototype.size")
    search(page, "snow")
    page.wait_for_function("location.search === '?q=snow'")


def test_back_goes_to_the_gallery_before(open_page: OpenPage, tmp_path: Path, png: MakePng) -> None:
    page = open_page("wide")
    search(page, "goldfish")
    wait_for_address(page, q="goldfish")
    drop(page, two_photos(tmp_path, png), "Walls")
    search(page, "a red wall")
    page.wait_for_function("new URLSearchParams(location.search).get('q') === 'a red wall'")
    own = asked(page)["gallery"]
    assert own.isdecimal()
    page.reload()
    answered(page)
    expect(page.locator("#gallery input")).to_have_value("Walls · 2")
    expect(box(page)).to_have_value("a red wall")
    for words in ("Demo", "Walls"):  # a name that is typed in part is enough
        page.locator("#gallery input").click()
        page.keyboard.press("Control+a")
        page.keyboard.type(words, delay=30)
        page.keyboard.press("Enter")  # whether its list has followed or not
        expect(page.locator("#gallery input")).to_have_value(re.compile(words))
        page.wait_for_function(
            "(at) => document.querySelector('#answer [data-gallery]').dataset.gallery === at",
            arg="" if words == "Demo" else own,
        )
        page.locator("#gallery input").click()
        page.keyboard.press("Control+a")
        page.keyboard.press("Delete")
        page.keyboard.press("Enter")  # no words name no gallery
        page.wait_for_timeout(1000)
        expect(page.locator("#gallery input")).to_have_value(re.compile(words))
    for words, stays in (("Demo", "Demo"), ("", "Demo"), ("Walls", "Walls")):
        page.locator("#gallery input").click()
        page.locator("#gallery input").evaluate(ENTER_AT_ONCE, words)
        page.wait_for_timeout(1000)
        expect(page.locator("#gallery input")).to_have_value(re.compile(stays))
    for _ in range(12):
        page.go_back()
        page.wait_for_timeout(1000)
        if asked(page).get("q") == "goldfish" and "tab" not in asked(page):
            break
    expect(page.locator("#gallery input")).to_have_value(re.compile("Demo gallery"))
    expect(box(page)).to_have_value("goldfish")


@pytest.mark.parametrize("lost", ["data", "join"], ids=["answer", "question"])
def test_a_connection_that_goes_silent_is_given_up_and_its_words_asked_again(open_page: OpenPage, lost: str) -> None:
    page = open_page("wide")
    page.evaluate(  # 45 s pass in five: more than a slow machine takes for what does come
        "() => { const wait = setTimeout;"
        " window.setTimeout = (then, ms, ...given) => wait(then, ms === 45000 ? 5000 : ms, ...given); }"
    )
    page.wait_for_timeout(1000)  # the stream of the answer before has ended
    intercept(page, f"**/queue/{lost}*", lambda _: None)  # nothing comes any more
    with page.expect_event("domcontentloaded"):  # Gradio loads the page anew where a connection broke
        box(page).fill("goldfish")
        box(page).press("Enter")
    page.unroute(f"**/queue/{lost}*")
    wait_for_address(page, q="goldfish")  # asked once more
    answered(page)
    expect(box(page)).to_have_value("goldfish")


@pytest.mark.parametrize("status", [502, 503])  # as nginx and Caddy say it, and as Apache and HAProxy do
def test_where_a_proxy_finds_no_server_words_are_asked_again(browser: Browser, address: str, status: int) -> None:
    page = browser.new_page()  # whose browser may complain
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    answered(page)
    page.wait_for_timeout(1000)  # the stream of the answer before has ended
    intercept(page, "**/queue/join*", lambda route: route.fulfill(status=status, body="<html>No server</html>"))
    with page.expect_event("domcontentloaded"):  # as where a connection broke
        box(page).fill("goldfish")
        box(page).press("Enter")
    page.unroute("**/queue/join*")
    wait_for_address(page, q="goldfish")
    answered(page)
    page.close()


def test_a_page_that_is_slow_to_read_the_end_of_an_answer_gets_the_next_one(open_page: OpenPage) -> None:
    page = open_page("wide")
    page.add_init_script(f"""{LATE}('"msg":"close_stream"')""")
    page.reload()
    answered(page)
    hit = page.locator("#grid .hit").nth(1)
    hit.click()
    expect(page.locator(f".panel[data-picked][data-photo='{hit.get_attribute('data-photo')}']")).to_be_visible()


def test_of_two_quick_steps_the_last_one_is_on_show_however_late_their_stream_begins(open_page: OpenPage) -> None:
    page = open_page("wide")
    page.add_init_script(LATE_STREAM)
    page.reload()
    answered(page)
    for words in ("cat", "boat"):
        search(page, words)
        wait_for_address(page, q=words)
    page.evaluate("() => { history.back(); setTimeout(() => history.forward(), 20); }")
    page.wait_for_timeout(1500)
    answered(page)
    expect(page.locator("#answer [data-query]")).to_have_attribute("data-query", "boat")
    expect(box(page)).to_have_value("boat")


def test_of_two_questions_that_are_answered_together_the_later_one_stands(open_page: OpenPage) -> None:
    page = open_page("wide")
    page.add_init_script(BOTH_AT_ONCE)
    page.reload()
    answered(page)
    page.evaluate("window.together = true")
    for words in ("cat", "boat"):
        box(page).fill(words)
        box(page).press("Enter")
    expect(page.locator("#answer [data-query]")).to_have_attribute("data-query", "boat")
    answered(page)
    expect(page.locator("#answer [data-query]")).to_have_attribute("data-query", "boat")
    expect(box(page)).to_have_value("boat")


def test_a_link_to_a_photo_that_is_gone_holds_no_later_search_back(open_page: OpenPage) -> None:
    page = open_page("wide", "?q=goldfish&photo=999999")
    expect(page.locator("#panel .problem")).to_be_visible()
    search(page, "polar bear")
    wait_for_address(page, q="polar bear")
    expect(box(page)).to_have_value("polar bear")
    page.go_back()
    wait_for_address(page, q="goldfish")  # the photo is left out


def test_back_to_a_bare_address_brings_ones_own_gallery_where_the_browser_has_lost_the_step(
    open_page: OpenPage, tmp_path: Path, png: MakePng
) -> None:
    page = open_page("wide")
    drop(page, two_photos(tmp_path, png), "Mine")
    page.goto(page.url.partition("?")[0])
    answered(page)
    expect(page.locator("#gallery input")).to_have_value("Mine · 2")
    page.evaluate("history.replaceState(null, '')")  # as Safari, in a frame whose page was loaded anew
    tab(page, "Compare")
    expect(page).to_have_url(re.compile("tab=compare"))
    page.go_back()
    expect(page.get_by_role("tab", name="Results")).to_have_attribute("aria-selected", "true")
    answered(page)
    expect(page.locator("#gallery input")).to_have_value("Mine · 2")


def test_a_number_that_names_no_gallery_of_ones_own_opens_the_demo_gallery(open_page: OpenPage) -> None:
    page = open_page("wide", "?gallery=4711&q=goldfish")
    expect(page.locator("#gallery input")).to_have_value(re.compile("Demo gallery"))


def test_a_link_preview_finds_title_sentence_and_picture(open_page: OpenPage) -> None:
    page = open_page("wide")
    said = {name: page.locator(f"meta[property='og:{name}']") for name in ("title", "description", "image")}
    assert said["title"].get_attribute("content") == "T-GEM search"
    assert "Search your photos in words" in (said["description"].get_attribute("content") or "")
    picture = page.request.get(said["image"].get_attribute("content") or "")
    assert picture.ok
    assert picture.headers["content-type"] == "image/jpeg"
    icon = page.request.get(page.evaluate("document.querySelector('link[rel=apple-touch-icon]').href"))
    assert icon.headers["content-type"] == "image/png"
    assert page.locator("meta[property='og:title']").count() == 1  # Gradio's own is gone


def test_quick_steps_back_and_forward_lead_where_the_last_one_does(open_page: OpenPage) -> None:
    page = open_page("wide")
    for words in ("polar bear", "cat", "boat"):
        search(page, words)
        wait_for_address(page, q=words)
    steps = page.evaluate("history.length")
    slow = page.context.new_cdp_session(page)
    slow.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 150, "downloadThroughput": -1, "uploadThroughput": -1},
    )
    for between in (40, 200):
        page.evaluate("(ms) => { history.back(); setTimeout(() => history.forward(), ms); }", between)
        page.wait_for_timeout(2500)
        answered(page)
        wait_for_address(page, q="boat")
        expect(page.locator("#answer [data-query]")).to_have_attribute("data-query", "boat")
        expect(box(page)).to_have_value("boat")
        assert page.evaluate("history.length") == steps
    page.go_back()
    wait_for_address(page, q="cat")
    page.go_back()
    page.go_back()
    wait_for_address(page)
    page.go_forward()
    wait_for_address(page, q="polar bear")


def test_words_that_are_typed_while_an_answer_comes_are_not_written_over(open_page: OpenPage) -> None:
    page = open_page("wide")
    search(page, "polar bear")
    search(page, "cat")
    page.evaluate("history.back()")
    box(page).focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("a small red house", delay=60)
    answered(page)
    expect(box(page)).to_have_value("a small red house")
    expect(page.locator("#answer [data-query]")).to_have_attribute("data-query", "polar bear")
    page.keyboard.press("Enter")
    wait_for_address(page, q="a small red house")
    page.locator("#suggestions button").first.click()
    expect(box(page)).not_to_have_value("a small red house")


def test_what_is_typed_after_an_answer_follows_what_was_typed_before(open_page: OpenPage) -> None:
    page = open_page("wide")
    page.evaluate(ANSWER_AT_ONCE, "a ")
    box(page).fill("")
    box(page).press_sequentially("a small red house")
    expect(box(page)).to_have_value("a small red house")


def test_what_is_typed_over_a_selection_takes_the_place_of_an_answer_that_came_after_it(open_page: OpenPage) -> None:
    page = open_page("wide")
    search(page, "cat")
    box(page).focus()
    page.keyboard.press("Control+a")
    page.evaluate(ANSWER_NOW)
    page.keyboard.type("a small red house")
    expect(box(page)).to_have_value("a small red house")
    page.keyboard.press("End")
    page.evaluate(ANSWER_NOW)
    page.keyboard.type("!")
    expect(box(page)).to_have_value("a small red house!")


def test_leaving_the_gallery_box_leaves_the_search(open_page: OpenPage) -> None:
    page = open_page("wide")
    search(page, "cat")
    wait_for_address(page, q="cat")
    page.locator("#gallery input").focus()
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    page.wait_for_timeout(1000)
    expect(box(page)).to_have_value("cat")
    wait_for_address(page, q="cat")


def test_the_gallery_is_named_on_a_page_that_back_brings_again_as_it_was(open_page: OpenPage) -> None:
    page = open_page("wide")
    named = page.locator("#gallery input").input_value()
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    page.evaluate("document.querySelector('#gallery input').value = ''")  # as Safari does
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    expect(page.locator("#gallery input")).to_have_value(named)


def test_present_is_one_step_of_back_however_it_is_left(open_page: OpenPage) -> None:
    page = open_page("wide")
    search(page, "polar bear")
    search(page, "cat")
    wait_for_address(page, q="cat")
    for leave in (lambda: page.keyboard.press("Escape"), page.go_back):
        page.get_by_role("button", name="Present").click()
        wait_for_address(page, q="cat", present="1")
        page.keyboard.press("ArrowRight")
        wait_for_address(page, q="cat", present="2")
        leave()
        wait_for_address(page, q="cat")
    page.go_back()
    wait_for_address(page, q="polar bear")


def test_the_box_says_what_is_answered_however_quickly_one_question_follows_another(open_page: OpenPage) -> None:
    page = open_page("wide")
    search(page, "polar bear")
    page.locator("#suggestions button").first.click()
    box(page).focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("dog")
    page.keyboard.press("Enter")
    wait_for_address(page, q="dog")
    answered(page)
    expect(box(page)).to_have_value("dog")
    page.keyboard.type(" on a sofa")
    page.locator("#grid .hit").nth(1).click()  # which writes nothing there
    expect(page.locator(".panel[data-picked]")).to_be_visible()
    expect(box(page)).to_have_value("dog on a sofa")
    page.go_back()
    expect(box(page)).not_to_have_value("dog on a sofa")


def test_a_question_from_another_tab_is_one_step_of_back(open_page: OpenPage) -> None:
    page = open_page("wide")
    page.add_init_script(f"{LATE}('?q=cat')")
    page.reload()
    answered(page)
    search(page, "polar bear")
    wait_for_address(page, q="polar bear")
    tab(page, "Gallery")
    wait_for_address(page, q="polar bear", tab="gallery")
    steps = page.evaluate("history.length")
    box(page).fill("cat")
    box(page).press("Enter")
    wait_for_address(page, q="polar bear")  # the tab opens first
    wait_for_address(page, q="cat")
    assert page.evaluate("history.length") == steps + 1
    page.go_back()
    wait_for_address(page, q="polar bear", tab="gallery")


def test_the_cache_has_no_stream_wait_for_another_of_the_same_address(open_page: OpenPage) -> None:
    page = open_page("wide")
    streams: list[Request] = []
    page.on("request", lambda request: streams.append(request) if "queue/data" in request.url else None)
    page.reload()
    answered(page)
    assert streams
    assert {request.all_headers()["cache-control"] for request in streams} == {"no-cache"}


def test_as_many_tabs_as_one_likes_are_answered(open_page: OpenPage) -> None:
    page = open_page("wide")
    for _ in range(6):  # more than a browser has connections to a host
        other = page.context.new_page()
        other.goto(page.url)
        answered(other)
    search(page, "polar bear")


def test_enter_asks_the_suggestion_that_was_pressed(open_page: OpenPage) -> None:
    page = open_page("wide")
    search(page, "polar bear")
    suggestion = page.locator("#suggestions button").first
    offered = suggestion.inner_text()
    suggestion.click()
    box(page).press("Enter")  # before the answer
    wait_for_address(page, q=offered)
    answered(page)
    expect(box(page)).to_have_value(offered)


def test_what_an_input_method_composes_while_an_answer_comes_is_not_doubled(open_page: OpenPage) -> None:
    page = open_page("wide")
    search(page, "polar bear")
    search(page, "cat")
    keyboard = page.context.new_cdp_session(page)

    def compose(text: str) -> None:
        keyboard.send("Input.imeSetComposition", {"text": text, "selectionStart": len(text), "selectionEnd": len(text)})

    box(page).fill("a  lake")
    box(page).evaluate("(box) => box.setSelectionRange(2, 2)")
    compose("に")
    page.evaluate("history.back()")
    wait_for_address(page, q="polar bear")
    answered(page)  # its words are in the box by then, on a busy machine too
    compose("にほ")
    keyboard.send("Input.insertText", {"text": "日本"})
    expect(box(page)).to_have_value("a 日本 lake")


def test_the_enter_that_ends_what_an_input_method_composes_asks_nothing(open_page: OpenPage) -> None:
    page = open_page("wide")
    search(page, "polar bear")
    keyboard = page.context.new_cdp_session(page)
    box(page).fill("日本")
    enter = {"type": "rawKeyDown", "key": "Enter", "windowsVirtualKeyCode": 229}  # as Safari tells of it
    keyboard.send("Input.dispatchKeyEvent", enter)
    assert not page.locator(".waiting").count()  # at once: it goes by itself after a while
    page.evaluate(ANSWER_NOW)
    page.keyboard.type("!")
    expect(box(page)).to_have_value("日本!")


def test_a_reload_asks_the_words_beside_a_picture_of_ones_own(
    open_page: OpenPage, tmp_path: Path, png: MakePng
) -> None:
    page = open_page("wide")
    red, _ = two_photos(tmp_path, png)
    page.locator("#picture").locator("xpath=..").locator("input[type=file]").set_input_files(red)
    expect(page.locator("#chip img")).to_be_visible()
    wait_for_address(page)
    search(page, "- snow")
    wait_for_address(page, q="- snow")
    page.reload()
    answered(page)
    expect(page.locator("#answer [data-query]")).to_have_attribute("data-query", "- snow")
