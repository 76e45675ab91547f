"""What the first view weighs, and when its search box can be used on a slow network, beside an empty Gradio page."""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.driver import PATIENCE, answered, box, serving

pytestmark = pytest.mark.browser

# 1.6 Mbit/s, 150 ms: what browsers' own tools call a slow mobile network. In bytes a second.
SLOW = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 200_000}
ROUNDS = 3
FIRST_BOX = "#first input"  # it is in the document itself, and there before Gradio's scripts
SECONDS, MOST_BYTES = 3.0, 750_000  # until words can be typed, and over the network
# In our theme, for Gradio's own asks for fonts of another host.
EMPTY = """
import sys, gradio, app.theme
with gradio.Blocks(analytics_enabled=False) as page:
    gradio.Textbox(elem_id="query")
page.launch(theme=app.theme.theme(), ssr_mode=False, quiet=True, prevent_thread_lock=True)
sys.stderr.write("It is on now.\\n")
page.block_thread()
"""


@dataclass
class View:
    """A page that was opened with nothing in the browser's cache."""

    typed: float = 0.0  # seconds until words could be typed
    drawn: float = 0.0  # until they stood in Gradio's own box
    seconds: float = 0.0  # until all that is in view was there
    requests: dict[str, int] = field(default_factory=dict)  # path -> bytes that came over the network

    @property
    def bytes(self) -> int:
        return sum(self.requests.values())

    @property
    def ours(self) -> int:
        """Bytes of what is not Gradio's own files."""
        return sum(size for path, size in self.requests.items() if not path.startswith(("/assets/", "/static/")))

    def line(self, name: str) -> str:
        return (
            f"{name}: words typed after {self.typed:.1f} s, drawn after {self.drawn:.1f} s, whole after "
            f"{self.seconds:.1f} s; {len(self.requests)} requests, {self.bytes:,} bytes, {self.ours:,} of them ours\n"
        )


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Gradio page with nothing but a text box."""
    with serving(tmp_path_factory.mktemp("empty"), ("-c", EMPTY)) as address:
        yield address


def first_view(browser: Browser, address: str, ours: bool) -> View:
    """Open a page as somebody who has never been there."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    page, view = context.new_page(), View()
    page.set_default_timeout(PATIENCE)
    network = context.new_cdp_session(page)
    paths: dict[str, str] = {}
    streamed: dict[str, int] = {}

    def begun(event: dict[str, Any]) -> None:
        paths[event["requestId"]] = urlsplit(event["request"]["url"]).path

    def came(event: dict[str, Any]) -> None:
        path = paths.get(event["requestId"], "")
        whole = event.get("encodedDataLength", 0)  # with its headers; a stream that the page closes has none
        view.requests[path] = view.requests.get(path, 0) + (whole or streamed.get(event["requestId"], 0))

    def coming(event: dict[str, Any]) -> None:
        streamed[event["requestId"]] = streamed.get(event["requestId"], 0) + event["encodedDataLength"]

    network.on("Network.requestWillBeSent", begun)
    network.on("Network.dataReceived", coming)
    network.on("Network.loadingFinished", came)
    network.on("Network.loadingFailed", came)
    network.send("Network.enable")
    network.send("Network.emulateNetworkConditions", SLOW)
    began = time.monotonic()
    page.goto(address, wait_until="commit")
    if ours:
        page.fill(FIRST_BOX, "a dog")
        view.typed = time.monotonic() - began
        expect(box(page)).to_have_value("a dog")
        expect(page.locator(FIRST_BOX)).to_have_count(0)
    else:
        box(page).fill("a dog")
        view.typed = time.monotonic() - began
    view.drawn = time.monotonic() - began
    if ours:
        answered(page)
        page.wait_for_function(
            "[...document.images].every((i) => i.complete || i.getBoundingClientRect().top > innerHeight)"
        )
    view.seconds = time.monotonic() - began
    expect(box(page)).to_have_value("a dog")  # what was typed meanwhile stays
    context.close()
    return view


def test_words_asked_before_the_page_is_there_are_answered(browser: Browser, address: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    context.new_cdp_session(page).send("Network.emulateNetworkConditions", SLOW)
    page.goto(address + "?q=goldfish", wait_until="commit")
    page.fill(FIRST_BOX, "polar bear")
    page.press(FIRST_BOX, "Enter")
    expect(page.locator(FIRST_BOX)).to_have_count(0)
    expect(box(page)).to_have_value("polar bear")
    expect(box(page)).to_be_focused()
    page.wait_for_selector("#answer [data-query='polar bear']")  # and not what the address asks for
    expect(box(page)).to_have_value("polar bear")
    expect(page.locator("h1")).to_have_count(1)
    context.close()


@pytest.mark.long
def test_words_can_be_typed_before_an_empty_page_takes_them(browser: Browser, address: str, empty: str) -> None:
    first_view(browser, address, ours=True)  # thumbnails are made, and the query has run
    pairs = [(first_view(browser, address, True), first_view(browser, empty, False)) for _ in range(ROUNDS)]
    for own, other in pairs:
        sys.stdout.write(own.line("ours") + other.line("empty"))
    own, other = (median(view.typed for view in views) for views in zip(*pairs, strict=True))
    assert own < min(SECONDS, other)
    assert max(view.bytes for view, _ in pairs) < MOST_BYTES
