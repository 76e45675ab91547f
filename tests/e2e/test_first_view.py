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

from tests.e2e.driver import PATIENCE, answered, serving

pytestmark = [pytest.mark.browser, pytest.mark.long]

# 1.6 Mbit/s, 150 ms: what browsers' own tools call a slow mobile network. In bytes a second.
SLOW = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 200_000}
ROUNDS = 3
# What must not get worse. The time is above an empty page's, for the page has more kinds of Gradio's components, and
# the files of each are asked for one after the other.
LATER, MOST_BYTES = 1.7, 850_000  # times the empty page's; over the network
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

    usable: float = 0.0  # seconds until words could be typed
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
            f"{name}: usable after {self.usable:.1f} s, whole after {self.seconds:.1f} s; "
            f"{len(self.requests)} requests, {self.bytes:,} bytes, {self.ours:,} of them not Gradio's files\n"
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

    def begun(event: dict[str, Any]) -> None:
        paths[event["requestId"]] = urlsplit(event["request"]["url"]).path

    def came(event: dict[str, Any]) -> None:
        path = paths.get(event["requestId"], "")
        view.requests[path] = view.requests.get(path, 0) + event.get("encodedDataLength", 0)

    network.on("Network.requestWillBeSent", begun)
    network.on("Network.loadingFinished", came)
    network.send("Network.enable")
    network.send("Network.emulateNetworkConditions", SLOW)
    began = time.monotonic()
    page.goto(address, wait_until="commit")
    box = page.locator("#query textarea, #query input").first
    box.fill("a dog")
    view.usable = time.monotonic() - began
    if ours:
        answered(page)
        page.wait_for_function(
            "[...document.images].every((i) => i.complete || i.getBoundingClientRect().top > innerHeight)"
        )
    view.seconds = time.monotonic() - began
    expect(box).to_have_value("a dog")  # what was typed meanwhile stays
    context.close()
    return view


def test_the_search_box_is_there_about_as_soon_as_an_empty_pages(browser: Browser, address: str, empty: str) -> None:
    first_view(browser, address, ours=True)  # thumbnails are made, and the query has run
    pairs = [(first_view(browser, address, True), first_view(browser, empty, False)) for _ in range(ROUNDS)]
    for own, other in pairs:
        sys.stdout.write(own.line("ours") + other.line("empty"))
    own, other = (median(view.usable for view in views) for views in zip(*pairs, strict=True))
    assert own < LATER * other
    assert max(view.bytes for view, _ in pairs) < MOST_BYTES
