"""Drives the page in a real Chromium: starts it, asks, and takes pictures of it."""

import io
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, Route, expect

from tests.health import free_port
from tests.pictures import MakePng

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "docs" / "screenshots"  # those that the documents show
OTHERS = ROOT / "runs" / "screenshots"  # to look at
CHROMIUM = Path("/usr/bin/chromium-headless-shell")

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
expect.set_options(timeout=30_000)  # ms: other tests may use the machine, too
PATIENCE = 120_000  # ms: the first start loads the encoder and encodes the demo gallery
LOOKS: dict[str, dict[str, Any]] = {
    "wide": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "has_touch": True},
    "dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
}
# The looks a test is to hold in. In the dark one colours alone differ, and axe looks at those in every run; what is
# laid out alike on a phone is looked at there by hand.
LONG_DARK, LONG_PHONE = (pytest.param(look, marks=pytest.mark.long) for look in ("dark", "phone"))
EACH_LOOK = pytest.mark.parametrize("look", ["wide", "phone", LONG_DARK])
EACH_LOOK_BY_HAND = pytest.mark.parametrize("look", ["wide", LONG_PHONE, LONG_DARK])

Motion = Literal["no-preference", "reduce"]
Visitor = Callable[..., Page]
OpenPage = Callable[..., Page]

# Whether the middle of what is in view of an element is its own, and not covered.
ON_TOP = """(element) => {
  const box = element.getBoundingClientRect();
  const middle = (from, to, end) => (Math.max(from, 0) + Math.min(to, end)) / 2;
  const x = middle(box.left, box.right, innerWidth), y = middle(box.top, box.bottom, innerHeight);
  const top = document.elementFromPoint(x, y);
  return box.width > 0 && box.bottom > 0 && box.top < innerHeight && top !== null && element.contains(top);
}"""

# Once nothing has changed for so many frames: a busy machine, which draws the parts of an answer further apart, has
# longer ones.
STILL = """(frames) => new Promise((done) => {
  let left = frames;
  const watch = new MutationObserver(() => (left = frames));
  watch.observe(document, {attributes: true, characterData: true, childList: true, subtree: true});
  const frame = () => {
    if (left--) return requestAnimationFrame(frame);
    watch.disconnect();
    done();
  };
  requestAnimationFrame(frame);
})"""

# Another answer, and one to these words: until it comes, what was asked before may be answered, too.
ASKED = """([before, text]) => {
  const answer = document.querySelector("#answer .answer");
  return answer && answer.outerHTML !== before && answer.dataset.query?.endsWith(text); // a picture stands before them
}"""

# As a browser that keeps nothing for a frame of another site.
REFUSED = """
  for (const name of ["localStorage", "sessionStorage"]) {
    const get = () => { throw new DOMException("Access is denied for this document.", "SecurityError"); };
    Object.defineProperty(window, name, { get, configurable: true });
  }
"""


@contextmanager
def serving(home: Path, program: Sequence[str] = ("app.py",)) -> Iterator[str]:
    """Serve from an empty data folder.

    Args: program: for Python to run; it says on stderr that it " is on " somewhere.
    """
    port = free_port()
    environment = {**os.environ, "TGEM_HOME": str(home), "GRADIO_SERVER_PORT": str(port)}
    environment.pop("OMP_NUM_THREADS", None)  # the page has the machine to itself, as a user's has
    process = subprocess.Popen([sys.executable, *program], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said: list[str] = []
    for line in process.stderr:
        said.append(line)
        if " is on " in line:
            break
    else:
        pytest.fail(f"{program[0]} stopped with exit code {process.wait()}: {''.join(said)}")
    # Whatever else it says is read, or it would wait for ever when the pipe is full.
    threading.Thread(target=process.stderr.read, daemon=True).start()
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(30)


def answered(page: Page) -> None:
    """Wait until photos are on show and none is getting a second look."""
    page.wait_for_selector("#answer [data-gallery]", state="attached")  # no photos that are just being encoded
    page.wait_for_selector("#grid .hit")
    expect(page.locator("#answer .busy")).to_have_count(0, timeout=PATIENCE)
    settled(page)


def settled(page: Page) -> None:
    """Wait until the page stays as it is: its parts are drawn one after the other."""
    page.evaluate(STILL, 10)


def keep(page: Page, name: str, *shown: Locator) -> None:
    """Write a screenshot once all pictures in view are there: into the documents, where they show one of that name.

    Args: shown: what it must show; each is on top in the picture, or nothing is written.
    """
    page.evaluate("document.activeElement?.blur()")
    page.mouse.move(0, 0)
    page.wait_for_function(
        "[...document.images].every((i) =>"
        " i.complete || !i.getClientRects().length || i.getBoundingClientRect().top > innerHeight)"
    )
    picture = page.screenshot(style="#arriving { display: none }")  # what other tests have added
    for part in shown:  # after it was taken: to take one can leave the full screen
        assert part.first.evaluate(ON_TOP), f"{name} does not show {part}"
    folder = SCREENSHOTS if (SCREENSHOTS / f"{name}.png").exists() else OTHERS
    folder.mkdir(parents=True, exist_ok=True)
    shot = Image.open(io.BytesIO(picture)).convert("RGB")
    # A palette keeps the repository small, and the eye hardly sees it.
    shot.quantize(256, Image.Quantize.MEDIANCUT).save(folder / f"{name}.png", optimize=True)


def first_alt(page: Page) -> str:
    return page.locator("#grid .hit img").first.get_attribute("alt") or ""


def box(page: Page) -> Locator:
    return page.locator("#query textarea, #query input").first


def search(page: Page, text: str) -> None:
    """Type words and wait for their answer, which carries them in its links."""
    before = page.locator("#answer .answer").evaluate("(answer) => answer.outerHTML")
    box(page).fill(text)
    box(page).press("Enter")
    page.wait_for_function(ASKED, arg=[before, text])
    answered(page)


def tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def agree(page: Page, question: str) -> None:
    """Say yes where the page asks whether to delete something."""
    page.get_by_role("alertdialog", name=question, exact=True).get_by_role("button", name="Delete").click()


def album_words(page: Page) -> Locator:
    return page.locator("#album-words textarea, #album-words input").first


def intercept(page: Page, what: str | re.Pattern[str], answer: Callable[[Route], object]) -> None:
    """Answer requests of an open page otherwise, from the next key on.

    Chromium may tell the page of it only after a key that is pressed at once, and no one would see that key's request.
    """
    page.route(what, answer)
    page.route("**/?intercepted", lambda route: route.fulfill(status=204))
    while page.evaluate("fetch('/?intercepted', { method: 'HEAD' }).then(({ status }) => status)") != 204:
        pass
    page.unroute("**/?intercepted")


def make_album(page: Page, album: str) -> Locator:
    """Type an album, and wait until photos have fallen into it and second looks are over."""
    album_words(page).fill(album)
    album_words(page).press("Enter")
    column = page.locator(f".album[data-key='={album}']")
    expect(column).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#album-line .busy")).to_have_count(0, timeout=PATIENCE)
    return column


def drop(page: Page, files: list[Path], gallery: str) -> None:
    """Add files to a gallery, and wait for what became of them."""
    tab(page, "Add photos")
    page.locator("#name textarea, #name input").first.fill(gallery)
    page.locator("#files input[multiple]").set_input_files(files)
    expect(page.locator(".report", has_text=f"“{gallery}”").first).to_be_visible(timeout=PATIENCE)


def show_gallery(page: Page, gallery: str) -> None:
    """Go from the account of an upload to the gallery; accounts of others may stand beside it."""
    show = page.locator(".report", has_text=f"“{gallery}”").get_by_role("button", name="Show the gallery").first
    number = show.get_attribute("data-gallery") or ""
    show.click()
    expect(page.get_by_role("tab", name="Results")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#gallery input")).to_have_value(re.compile(f"^{re.escape(gallery)} ·"))
    expect(page.locator("#answer .answer")).to_have_attribute("data-gallery", number)  # and no photo of the one before


def two_photos(folder: Path, png: MakePng) -> list[Path]:
    (folder / "red wall.png").write_bytes(png("red", (64, 48)))
    (folder / "sea.png").write_bytes(png((10, 60, 160), (48, 64)))
    return [folder / "red wall.png", folder / "sea.png"]
