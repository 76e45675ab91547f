"""129 photos with ten bad files among them, over a slow network, and a page that is loaded again half-way."""

import random
import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from tests.e2e.driver import PATIENCE, REFUSED, ROOT, Visitor, answered, intercept, serving, tab

pytestmark = pytest.mark.browser
PHOTOS, BAD = 119, 10
SLOW = {"offline": False, "latency": 40, "downloadThroughput": 2e6, "uploadThroughput": 120e3}  # bytes a second
SENT = re.compile(r"/files\?at=")
PROGRESS = re.compile(r"(\d+) of (\d+)")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def address(home: Path) -> Iterator[str]:
    with serving(home) as address:
        yield address


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Real photos, cut out of the demo gallery's, and files that are none."""
    folder, dice = tmp_path_factory.mktemp("photos"), random.Random(1)
    sources = [Image.open(path) for path in sorted((ROOT / "assets/gallery").glob("*.jpg"))]
    for source in sources:
        source.thumbnail((427, 427))  # of which three quarters are sent
    for number in range(PHOTOS):
        whole = sources[number % len(sources)].convert("RGB")
        width, height = whole.size
        left, top = dice.randrange(width // 4), dice.randrange(height // 4)
        cut = whole.crop((left, top, left + width * 3 // 4, top + height * 3 // 4))
        cut.save(folder / f"{number:03}.jpg", quality=80)
    for number in range(BAD):
        (folder / f"{12 * number:03}-bad.jpg").write_text(f"Dear Sir or Madam {number}")
    return sorted(folder.iterdir())


@pytest.fixture
def page(visitor: Visitor, address: str) -> Page:
    """A visitor's page; one that is loaded again while it listens complains, so complaints are no failure here."""
    page = visitor("wide")
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(address)
    answered(page)
    return page


def drop(page: Page, files: list[Path], gallery: str) -> None:
    tab(page, "Add photos")
    page.locator("#name textarea, #name input").first.fill(gallery)
    page.locator("#files input[type=file]").first.set_input_files(files)


def stored(home: Path, gallery: str) -> set[str]:
    """Names of a gallery's photos, as the database has them."""
    with sqlite3.connect(home / "tgem.db") as database:
        wanted = "SELECT i.name FROM images i JOIN collections c ON c.id = i.collection_id WHERE c.name = ?"
        return {name for (name,) in database.execute(wanted, [gallery])}


def test_what_had_arrived_is_there_the_rest_has_names_and_alone_is_sent_again(
    page: Page, home: Path, files: list[Path]
) -> None:
    sent: list[int] = []
    page.on("request", lambda request: sent.extend(numbers(request.url)))
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.send("Network.emulateNetworkConditions", SLOW)
    drop(page, files, "Slow")
    page.wait_for_function("parseInt(document.querySelector('#account p.numbers')?.textContent) > 30")
    shown, total = progress(page)
    truth = len(stored(home, "Slow")) + sum("bad" in path.name for path in files[:shown])
    assert total == PHOTOS + BAD
    assert abs(shown - truth) <= 0.2 * total, f"{shown} shown, and {truth} true"
    page.reload()
    expect(page.get_by_role("tab", name="Add photos")).to_have_attribute("aria-selected", "true")
    tab(page, "Results")
    page.wait_for_selector(".arriving:not([data-state=coming])")
    here = stored(home, "Slow")
    expect(page.locator(".arriving")).to_contain_text("Drop the same files again: only those are sent")
    page.locator(".arriving").get_by_role("button", name="Details").click()
    page.wait_for_selector(".report .missing li", state="attached")
    named = set(page.locator(".report .missing li").all_text_contents())
    assert here
    assert named
    good = {path.name for path in files if "bad" not in path.name}
    assert here | named >= good, "each photo is there, or named"
    assert not here & named
    assert page.locator("#name textarea, #name input").first.input_value() == "Slow"

    sent.clear()
    page.locator("#files input[type=file]").first.set_input_files(files)
    expect(page.locator("#account .report[data-state=done]")).to_be_visible(timeout=PATIENCE)
    assert {files[number].name for number in sent} == named
    assert len(sent) == len(named)
    assert stored(home, "Slow") == good
    expect(page.locator("#account .report")).to_have_count(1)
    expect(page.locator("#account")).to_contain_text(f"{BAD} files were left out")
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator("#account .report")).to_have_count(0)


def test_where_the_browser_refuses_storage_photos_are_added_all_the_same(
    page: Page, home: Path, files: list[Path]
) -> None:
    page.add_init_script(REFUSED)
    page.reload()
    answered(page)
    drop(page, files[:3], "Frame")
    expect(page.locator("#account .report[data-state=done]")).to_be_visible(timeout=PATIENCE)
    assert stored(home, "Frame") == {path.name for path in files[:3] if "bad" not in path.name}
    page.reload()
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator("#account .report")).to_have_count(0)


# What the page hears from the server is lost when a test says so, as on a train, while files still come through.
CUT = """
  const ask = window.fetch, cuts = [];
  window.cut = () => cuts.forEach((cut) => cut());
  window.fetch = async (...request) => {
    const answer = await ask(...request);
    if (!(request[0].url ?? String(request[0])).includes("/queue/data")) return answer;
    const held = new TransformStream({ start: (out) => cuts.push(() => out.error(new TypeError("network error"))) });
    return new Response(answer.body.pipeThrough(held), { status: answer.status, headers: answer.headers });
  };
"""


def test_a_connection_that_is_lost_for_a_moment_loses_no_file(page: Page, home: Path, files: list[Path]) -> None:
    asked: list[str] = []
    page.on("dialog", lambda dialog: asked.append(dialog.type))
    page.add_init_script(CUT)
    page.reload()
    answered(page)
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.send("Network.emulateNetworkConditions", SLOW)
    good = [path for path in files if "bad" not in path.name]
    drop(page, good, "Train")
    page.wait_for_function("parseInt(document.querySelector('#account p.numbers')?.textContent) > 8")
    with page.expect_navigation(timeout=PATIENCE):
        page.evaluate("cut()")
        expect(page.locator(".arriving")).to_contain_text("The connection was lost. What is left is still sent")
    expect(page.locator("#account .report[data-state=done]")).to_be_visible(timeout=PATIENCE)
    assert stored(home, "Train") == {path.name for path in good}
    assert asked == [], "nothing was lost with the page, and nobody is asked whether it may go"
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator("#account .report")).to_have_count(0)


def test_what_is_stopped_stays_stopped_whatever_was_on_its_way(page: Page, home: Path, files: list[Path]) -> None:
    held: list[Route] = []
    intercept(page, SENT, lambda route: held.append(route))
    with page.expect_request(SENT):
        drop(page, files, "Stopped")
    with page.expect_response(re.compile("queue/join")):
        page.locator("#stop").click()
    page.wait_for_timeout(500)  # in which the server hears it, also where the machine is busy
    held[0].continue_()  # the page may not have been told yet that the upload is over
    expect(page.locator("#account .report[data-state=stopped]")).to_be_visible(timeout=PATIENCE)
    page.wait_for_timeout(2000)  # in which the page might announce the rest
    expect(page.locator("#account")).not_to_contain_text("Adding to")
    assert stored(home, "Stopped") == set()
    page.get_by_role("button", name="Dismiss").click()


def test_the_time_left_is_true_and_strips_fill_as_far_as_each_photo_went(page: Page, files: list[Path]) -> None:
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    # Half as fast: the network alone decides how long it takes, however busy the machine.
    network.send("Network.emulateNetworkConditions", {**SLOW, "uploadThroughput": 60e3})
    drop(page, files, "Timed")
    page.wait_for_function("parseInt(document.querySelector('#account p.numbers')?.textContent) > 70")
    words, at = page.locator("#account p.numbers").inner_text(), time.monotonic()
    promised = re.search(r"about (\d+) s left", words)
    assert promised, words
    cards = page.locator("#account .grid.small li")
    assert cards.count() >= 8
    expect(page.locator("#stop")).to_have_text("Stop")
    expect(page.locator("#account .report[data-state=done]")).to_be_visible(timeout=PATIENCE)
    took = time.monotonic() - at
    assert abs(took - int(promised[1])) <= max(0.2 * took, 3), f"{promised[1]} s promised, {took:.1f} s taken"


def test_all_that_is_dropped_goes_to_the_gallery_that_was_named_then(page: Page, home: Path, files: list[Path]) -> None:
    good = [path for path in files if "bad" not in path.name][:10]
    held: list[Route] = []
    intercept(page, SENT, lambda route: route.continue_() if held else held.append(route))
    with page.expect_request(SENT):
        drop(page, good[:8], "Early")
    page.locator("#files input[type=file]").first.set_input_files(good[8:])
    page.locator("#name textarea, #name input").first.fill("Late")
    held[0].continue_()
    expect(page.locator("#account .report[data-state=done]", has_text="“Early”")).to_have_count(2, timeout=PATIENCE)
    assert stored(home, "Early") == {path.name for path in good}


def test_bad_files_alone_are_named_and_leave_no_gallery(page: Page, files: list[Path]) -> None:
    drop(page, [path for path in files if "bad" in path.name][:3], "Nothing in it")
    report = page.locator("#account .report").first  # the newest
    expect(report).to_contain_text("No photo was added to “Nothing in it”", timeout=PATIENCE)
    expect(report).to_contain_text("3 files were left out")
    expect(page.locator("#gallery input")).to_have_value(re.compile("^Demo gallery"))


def test_a_folder_that_is_not_there_or_holds_no_photo_is_a_sentence(page: Page, tmp_path: Path) -> None:
    tab(page, "Add photos")
    page.locator("#server textarea, #server input").first.fill("/no/such/folder")
    page.locator("#server").get_by_role("button").click()
    expect(page.locator("#account .problem")).to_contain_text("is not a folder; name one that holds photos")
    (tmp_path / "letter.txt").write_text("Dear Sir or Madam")
    page.locator("#files input[webkitdirectory]").set_input_files(tmp_path)
    expect(page.locator("#notice")).to_contain_text("There is no picture in that folder")
    page.locator("#notice").get_by_role("button", name="Dismiss").click()
    expect(page.locator("#notice .arriving")).to_have_count(0)


def progress(page: Page) -> tuple[int, int]:
    found = PROGRESS.search(page.locator("#account p.numbers").inner_text())
    assert found
    return int(found[1]), int(found[2])


def numbers(url: str) -> list[int]:
    _, found, at = url.partition("/files?at=")
    return [int(number) for number in at.split(",")] if found else []


def test_an_upload_that_a_restart_has_cut_short_is_told_of(page: Page) -> None:
    page.evaluate("sessionStorage.setItem('tgem-upload', 'one that the server has forgotten')")
    page.reload()
    answered(page)
    expect(page.locator("#notice")).to_contain_text("in the middle of your upload")
    page.reload()
    answered(page)
    page.wait_for_timeout(5000)
    expect(page.locator("#notice .arriving")).to_have_count(0)


def test_files_that_waited_behind_an_upload_when_the_page_was_loaded_again_are_told_of(
    page: Page, files: list[Path]
) -> None:
    intercept(page, SENT, lambda _: None)
    with page.expect_request(SENT):
        drop(page, files[1:9], "Cut")
    page.locator("#files input[type=file]").first.set_input_files(files[9:11])
    page.reload()
    expect(page.locator("#notice")).to_contain_text("in the middle of your upload")
