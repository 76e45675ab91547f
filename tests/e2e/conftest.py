"""A page served from an empty data folder, and visitors who open it."""

from collections import defaultdict
from collections.abc import Generator, Iterator
from typing import TypeAlias
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, sync_playwright

from tests.e2e.driver import CHROMIUM, LOOKS, PATIENCE, QUIET, Motion, OpenPage, Visitor, answered, serving

Kind: TypeAlias = tuple[str, Motion]  # of a context: the name of its look, and whether things may move

# What Gradio says where a page is loaded anew while an answer still comes: by then nobody reads it. The words depend on
# whether the answer had begun.
LEFT = (
    "BodyStreamBuffer was aborted",
    "AbortError: signal is aborted without reason",
    "Connection errored out",
    "The connection went silent",
)
# What it says where the page asks once more while it goes: its session is forgotten by then, and nothing follows.
GOES = "this page goes"
FORGOTTEN = ("Unexpected error 404: Not Found", "net::ERR_INCOMPLETE_CHUNKED_ENCODING", "TypeError: network error")


# When the page was loaded, and what it has asked Python last.
ASKED_LAST = """() => {
  const [{ type }] = performance.getEntriesByType("navigation"), asked = performance.getEntriesByType("resource");
  const calls = asked.filter(({ name }) => name.includes("/queue/")).slice(-20);
  const ms = ({ name, startTime, responseEnd }) => `${name.split("/").pop()} ${startTime | 0}-${responseEnd | 0}`;
  return `${type}, ${performance.now() | 0} ms ago\\n${calls.map(ms).join("\\n")}\\n`;
}"""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure that comes once in a hundred runs can be understood: what each page shows, and how it came there."""
    report = yield
    browser = item.funcargs.get("browser") if report.when == "call" and report.failed else None  # type: ignore[attr-defined]
    for page in [page for context in browser.contexts for page in context.pages] if browser else []:
        try:
            shown = f"{page.evaluate(ASKED_LAST)}{page.locator('body').aria_snapshot()}"
        except Error as error:  # the page is gone: the other tests go on
            shown = str(error)
        report.sections.append((page.url, shown))
    return report


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where `python app.py` serves all tests that do not mind what others have asked and added there."""
    with serving(tmp_path_factory.mktemp("home")) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def spare() -> defaultdict[Kind, list[BrowserContext]]:
    """Contexts that no test uses now: they know the page's files, which are slow to load."""
    return defaultdict(list)


@pytest.fixture
def visitor(browser: Browser, address: str, spare: defaultdict[Kind, list[BrowserContext]]) -> Iterator[Visitor]:
    """Opens a blank page, as somebody does who has never been at an address."""
    used: list[tuple[Kind, BrowserContext, Page]] = []

    def blank(look: str, motion: Motion = "reduce", at: str = address) -> Page:
        free = spare[look, motion]
        context = free.pop() if free else browser.new_context(**LOOKS[look], reduced_motion=motion)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        forgotten = {"origin": at, "storageTypes": "all"}  # all but those files
        context.new_cdp_session(page).send("Storage.clearDataForOrigin", forgotten)
        used.append(((look, motion), context, page))
        return page

    yield blank
    for kind, context, page in used:
        if not page.is_closed():  # a test may close it, and its context
            for opened in context.pages:
                opened.close()
            spare[kind].append(context)


@pytest.fixture
def open_page(visitor: Visitor, address: str) -> Iterator[OpenPage]:
    """Opens the page as a new visitor with one of the looks; complaints and foreign requests fail the test."""
    places = [address]
    wrong: list[str] = []
    going: set[Page] = set()

    def open_with(look: str, rest: str = "", motion: Motion = "reduce", at: str = address) -> Page:
        places.append(at)
        page = visitor(look, motion, at)
        page.on("request", lambda request: wrong.append(request.url) if is_foreign(request.url) else None)
        page.add_init_script(f"addEventListener('beforeunload', () => console.debug('{GOES}'))")
        page.on("console", lambda message: heard(page, message))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("domcontentloaded", lambda _: left(page))
        page.goto(at + rest)
        answered(page)
        return page

    def heard(page: Page, message: ConsoleMessage) -> None:
        if message.text == GOES:
            going.add(page)
        elif message.type == "error" and not (page in going and any(part in message.text for part in FORGOTTEN)):
            wrong.append(message.text)

    def left(page: Page) -> None:
        going.discard(page)
        wrong[:] = [said for said in wrong if not any(part in said for part in LEFT)]

    def is_foreign(url: str) -> bool:
        return urlsplit(url).scheme in ("http", "https", "ws", "wss") and not url.startswith(tuple(places))

    yield open_with
    assert not wrong
