"""The page in a real Chromium, from `python app.py` on; writes the pictures in docs/screenshots."""

import io
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).parents[1]
SCREENSHOTS = ROOT / "docs" / "screenshots"
CHROMIUM = Path("/usr/bin/chromium")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.is_file(), reason=f"there is no {CHROMIUM}"),
]

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 120_000  # ms: the first start loads the encoder and encodes the demo gallery
LOOKS = {
    "wide": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "has_touch": True},
    "dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where `python app.py` serves, with an empty data folder of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = tmp_path_factory.mktemp("home")
    environment = {**os.environ, "TGEM_HOME": str(home), "GRADIO_SERVER_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if " is on " in line:
            break
    else:
        pytest.fail(f"app.py stopped with exit code {process.wait()}")
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(30)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Callable[[str], Page]]:
    """Opens the page as a new visitor with one of the looks; complaints and foreign requests fail the test."""
    contexts, wrong = [], []

    def open_page(look: str) -> Page:
        context = browser.new_context(**LOOKS[look], reduced_motion="reduce")
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: wrong.append(request.url) if is_foreign(request.url) else None)
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.goto(address)
        page.wait_for_selector("#grid .hit[aria-current]")
        return page

    def is_foreign(url: str) -> bool:
        return urlsplit(url).scheme in ("http", "https", "ws") and not url.startswith(address)

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong


def keep(page: Page, name: str) -> None:
    """Write a screenshot once all pictures in view are there."""
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    page.evaluate("document.activeElement?.blur()")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    # A palette keeps the repository small, and the eye hardly sees it.
    shot.quantize(256, Image.Quantize.MEDIANCUT).save(SCREENSHOTS / f"{name}.png", optimize=True)


def first_alt(page: Page) -> str | None:
    return page.locator("#grid .hit img").first.get_attribute("alt")


def search(page: Page, text: str) -> None:
    """Type words and wait for another first photo."""
    before = first_alt(page)
    box = page.get_by_label("Search").first
    box.fill(text)
    box.press("Enter")
    expect(page.locator("#grid .hit img").first).not_to_have_attribute("alt", before or "", timeout=PATIENCE)


@pytest.mark.parametrize("look", LOOKS)
def test_the_first_visit_shows_a_gallery_with_a_query_answered(visit: Callable[[str], Page], look: str) -> None:
    page = visit(look)
    expect(page.locator("#headline")).to_contain_text("of the encoder’s work")
    expect(page.locator("#query textarea, #query input").first).not_to_have_value("")
    assert page.locator("#grid .hit").count() >= 12
    keep(page, f"first-start-{look}")


@pytest.mark.parametrize("look", LOOKS)
def test_words_find_another_photo(visit: Callable[[str], Page], look: str) -> None:
    page = visit(look)
    search(page, "polar bear walking")
    caption = page.locator("#grid .hit .numbers").first
    expect(caption).to_contain_text("exit")
    assert page.locator("#grid .hit").first.locator(".strip i").count() > 3
    keep(page, f"results-{look}")


@pytest.mark.parametrize("look", LOOKS)
def test_a_selected_photo_shows_what_it_cost(visit: Callable[[str], Page], look: str) -> None:
    page = visit(look)
    search(page, "windmill")
    chosen = page.locator("#grid .hit").nth(1)
    name = (chosen.locator("img").get_attribute("alt") or "").removeprefix("Photo: ")
    chosen.click()
    panel = page.locator(".panel[data-picked]")
    expect(panel.locator(".file")).to_contain_text(name.replace(" ", "-"))
    expect(panel).to_contain_text("MACs")
    expect(panel).to_contain_text("What it saw on the way")
    keep(page, f"compute-{look}")
    if look == "phone":
        panel.get_by_role("button", name="Close").click()
        expect(page.locator(".panel")).to_be_hidden()


def test_the_keyboard_goes_through_the_results(visit: Callable[[str], Page]) -> None:
    page = visit("wide")
    hits = page.locator("#grid .hit")
    hits.first.focus()
    page.keyboard.press("ArrowRight")
    expect(hits.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(hits.nth(1)).to_have_attribute("aria-current", "true")
    expect(page.locator(".panel[data-picked]")).to_be_visible()


def test_an_example_is_a_query(visit: Callable[[str], Page]) -> None:
    page = visit("wide")
    example = page.locator(".examples button").nth(2)
    before = first_alt(page)
    example.click()
    expect(page.locator("#grid .hit img").first).not_to_have_attribute("alt", before or "", timeout=PATIENCE)
    expect(page.locator("#query textarea, #query input").first).to_have_value(example.inner_text())


def test_good_files_of_an_upload_are_found_and_bad_ones_named(
    visit: Callable[[str], Page], tmp_path: Path, png: Callable[..., bytes]
) -> None:
    (tmp_path / "red wall.png").write_bytes(png("red", (64, 48)))
    (tmp_path / "sea.png").write_bytes(png((10, 60, 160), (48, 64)))
    (tmp_path / "letter.jpg").write_text("Dear Sir or Madam")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "half.jpg").write_bytes((ROOT / "assets/gallery/taj-mahal.jpg").read_bytes()[:5000])
    page = visit("wide")
    page.locator("#name textarea, #name input").first.fill("Holidays <b>")
    page.locator("#files input[type=file]").set_input_files(sorted(tmp_path.glob("*.*")))
    report = page.locator(".report")
    expect(report).to_contain_text("2 photos added to “Holidays <b>”", timeout=PATIENCE)
    for name in ("letter.jpg", "empty.jpg", "half.jpg"):
        expect(report.locator("li", has_text=name)).to_be_visible()
    expect(page.locator("#grid .hit")).to_have_count(2)
    expect(page.locator("#headline")).to_contain_text("2 photos")
    search_box = page.get_by_label("Search").first
    search_box.fill("a red wall")
    search_box.press("Enter")
    expect(page.locator("#grid ol")).to_have_attribute("aria-label", "Results, best first", timeout=PATIENCE)
