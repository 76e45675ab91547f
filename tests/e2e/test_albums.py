"""The Albums tab in a real Chromium: words make albums, photos are moved by hand, and nothing of it meets others."""

import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.e2e.driver import EACH_LOOK, PATIENCE, OpenPage, agree, album_words, intercept, keep, make_album, tab

pytestmark = pytest.mark.browser

# What the server says within 0.3 s comes at once, as on a slow line.
TOGETHER = """
  const ask = window.fetch;
  const together = () => {
    let held = [];
    const pass = (out) => {
      const all = new Uint8Array(held.flatMap((chunk) => [...chunk]));
      if (all.length) out.enqueue(all);
      held = [];
    };
    return new TransformStream({
      transform(chunk, out) {
        if (!held.length) setTimeout(() => pass(out), 300);
        held.push(chunk);
      },
      flush: pass,
    });
  };
  window.fetch = async (...request) => {
    const answer = await ask(...request);
    if (!(request[0].url ?? String(request[0])).includes("/queue/data")) return answer;
    return new Response(answer.body.pipeThrough(together()), { status: answer.status, headers: answer.headers });
  };
"""


@contextmanager
def answer_to_come(page: Page) -> Iterator[None]:
    """The answer to what is done within comes only afterwards, however fast the machine is."""
    asked: list[Route] = []
    intercept(page, "**/queue/join*", lambda route: asked.append(route))
    yield
    for route in asked:
        route.continue_()
    page.unroute("**/queue/join*")


def asked_before(page: Page, field: Locator, words: str) -> Route:
    """Press Enter, and search in an album by its field: what Enter asks waits, returned, and is overtaken."""
    held: list[Route] = []
    intercept(page, "**/queue/join*", lambda route: route.continue_() if held else held.append(route))
    with page.expect_request("**/queue/join*"):
        page.keyboard.press("Enter")
    seek(field, words)
    return held[0]


def seek(field: Locator, words: str) -> None:
    """Search in an album by its field, which draws all albums anew; the focus stays where it is."""
    field.evaluate(
        "(field, words) => (field.value = words, field.dispatchEvent(new Event('change', { bubbles: true })))", words
    )
    expect(field).to_have_attribute("value", words, timeout=PATIENCE)


def test_a_line_that_brings_several_changes_at_once_leaves_nothing_as_it_was(open_page: OpenPage) -> None:
    page = open_page("wide")
    page.add_init_script(TOGETHER)
    page.reload()
    tab(page, "Albums")
    make_album(page, "animals")
    expect(page.locator("#album-line")).to_contain_text("Sorted:")
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_hidden()


def test_words_that_are_typed_while_an_answer_comes_stay(open_page: OpenPage) -> None:
    page = open_page("wide")
    tab(page, "Albums")
    with answer_to_come(page):
        album_words(page).fill("animals")
        album_words(page).press("Enter")
        expect(album_words(page)).to_have_value("")
        album_words(page).press_sequentially("flow")
    expect(page.locator(".album[data-key='=animals']")).to_be_visible(timeout=PATIENCE)
    expect(album_words(page)).to_have_value("flow")
    album_words(page).press_sequentially("ers\n")
    expect(page.locator(".album[data-key='=flowers']")).to_be_visible(timeout=PATIENCE)


@EACH_LOOK
def test_photos_fall_into_albums_and_one_is_moved_by_its_menu(open_page: OpenPage, look: str) -> None:
    page = open_page(look)
    tab(page, "Albums")
    animals = make_album(page, "animals")
    expect(album_words(page)).to_have_value("")
    flowers = make_album(page, "flowers")
    expect(page.locator("#album-line")).to_contain_text(re.compile(r"Sorted: \d+\s% of the full compute"))
    card = animals.locator("li[data-photo]").first
    expect(card.locator("[data-share]")).to_be_visible()
    fits = "[...document.querySelectorAll('.album li')].every((photo) => photo.scrollWidth <= photo.clientWidth + 1)"
    assert page.evaluate(fits), "no photo lies on the one beside it"
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_hidden()
    keep(page, f"albums-{look}", flowers.locator("h2"))  # the last one: a phone has no room for the others beside it
    photo = card.get_attribute("data-photo")
    menu = card.locator("select.move")
    menu.focus()  # the choices come with it
    menu.select_option("=flowers")
    expect(flowers.locator(f"li[data-photo='{photo}']")).to_be_visible(timeout=PATIENCE)
    expect(animals.locator(f"li[data-photo='{photo}']")).to_have_count(0)
    page.locator("#album-line [data-event=undo]").click()
    expect(flowers.locator(f"li[data-photo='{photo}']")).to_have_count(0, timeout=PATIENCE)
    expect(page.get_by_role("tab", name="Albums")).to_be_focused()


def test_the_focus_stays_with_what_is_left_though_an_earlier_answer_comes_before_that_to_a_move(
    open_page: OpenPage,
) -> None:
    page = open_page("wide")
    tab(page, "Albums")
    animals = make_album(page, "animals")
    card = animals.locator("li[data-photo]").first
    photo = card.get_attribute("data-photo")
    card.locator("select.move").focus()
    page.keyboard.press("ArrowDown")
    asked_before(page, page.locator(".album[data-key='-'] [data-seek]"), "dog").continue_()
    expect(animals.locator(f"li[data-photo='{photo}']")).to_have_count(0, timeout=PATIENCE)
    expect(animals.locator("select.move:focus")).to_have_count(1)


def test_the_focus_stays_in_the_album_though_an_earlier_answer_puts_its_photos_in_other_places(
    open_page: OpenPage,
) -> None:
    page = open_page("wide")
    tab(page, "Albums")
    animals = make_album(page, "animals")
    cards = animals.locator("li[data-photo]")
    photo = str(cards.nth(2).get_attribute("data-photo"))
    cards.nth(2).locator("select.move").focus()
    page.keyboard.press("ArrowDown")
    move = asked_before(page, animals.locator("[data-seek]"), "animals")
    assert [card.get_attribute("data-photo") for card in cards.all()].index(photo) != 2
    move.continue_()
    expect(page.locator(f".album[data-key='-'] li[data-photo='{photo}']")).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#album-line .busy")).to_have_count(0, timeout=PATIENCE)
    expect(animals.locator("select.move:focus")).to_have_count(1)


def test_what_keys_have_chosen_stays_so_though_an_answer_draws_the_albums_anew(open_page: OpenPage) -> None:
    page = open_page("wide")
    tab(page, "Albums")
    animals = make_album(page, "animals")
    card = animals.locator("li[data-photo]").nth(2)
    photo = card.get_attribute("data-photo")
    card.locator("select.move").focus()
    page.keyboard.press("ArrowDown")
    seek(animals.locator("[data-seek]"), "animals")
    page.keyboard.press("Enter")
    expect(page.locator(f".album[data-key='-'] li[data-photo='{photo}']")).to_be_visible(timeout=PATIENCE)


def test_photos_are_moved_by_hand_or_keys_and_albums_merged_when_asked(open_page: OpenPage) -> None:
    page = open_page("wide")
    tab(page, "Albums")
    animals, buildings = make_album(page, "animals"), make_album(page, "buildings")
    card = animals.locator("li[data-photo]").first
    photo = card.get_attribute("data-photo")
    page.evaluate("addEventListener('drop', (event) => (window.dropped = [...event.dataTransfer.types]), true)")
    card.drag_to(buildings.locator("h2"))
    assert page.evaluate("window.dropped")  # WebKit drags nothing that has no data
    expect(buildings.locator(f"li[data-photo='{photo}']")).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#album-line .busy")).to_have_count(0, timeout=PATIENCE)
    photo = card.get_attribute("data-photo")
    card.locator("img").focus()
    page.keyboard.press("Tab")
    expect(card.locator("select.move")).to_be_focused()
    for _ in range(2):  # past the other album
        page.keyboard.press("ArrowDown")
        assert not page.locator(".album li.waiting").count()
    page.keyboard.press("Enter")
    expect(page.locator(f".album[data-key='-'] li[data-photo='{photo}']")).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#album-line .busy")).to_have_count(0, timeout=PATIENCE)
    expect(animals.locator("select.move:focus")).to_have_count(1)  # on a photo that stays, to move that one next
    buildings.locator(".album-menu summary").click()
    buildings.locator("[data-merge]").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    expect(buildings.get_by_role("button", name="Merge")).to_be_focused()
    page.keyboard.press("Enter")
    expect(buildings).to_have_count(0, timeout=PATIENCE)
    expect(page.get_by_role("tab", name="Albums")).to_be_focused()
    page.get_by_role("button", name="Undo").click()
    expect(buildings).to_be_visible(timeout=PATIENCE)
    expect(page.locator(".album-menu[open]")).to_have_count(0)
    buildings.locator(".album-menu summary").click()
    buildings.locator("[data-rename]").fill("animals")
    page.keyboard.press("Enter")
    expect(page.locator("#album-line .problem")).to_be_visible(timeout=PATIENCE)
    buildings.locator("[data-rename]").fill("hous")
    seek = "(field) => (field.value = 'dog', field.dispatchEvent(new Event('change', { bubbles: true })))"
    animals.locator("[data-seek]").evaluate(seek)
    expect(animals.locator("[data-seek]")).to_have_attribute("value", "dog", timeout=PATIENCE)  # all is drawn anew
    expect(buildings.locator("[data-rename]")).to_have_value("hous")
    buildings.locator("[data-rename]").fill("houses")
    page.keyboard.press("Enter")
    expect(buildings).to_have_count(0, timeout=PATIENCE)
    page.get_by_role("button", name="Undo").click()
    expect(buildings).to_be_visible(timeout=PATIENCE)
    expect(page.locator(".album-menu[open]")).to_have_count(0)


def test_the_photos_of_an_album_are_looked_at_and_taken_away(open_page: OpenPage) -> None:
    page = open_page("wide")
    tab(page, "Albums")
    animals = make_album(page, "animals")
    photos = animals.locator("li img")
    photos.first.click()
    viewer = page.locator("dialog.viewer")
    expect(viewer.locator(".facts")).to_contain_text(re.compile(r"1 of \d+"))
    expect(viewer.locator(".stage img")).to_have_attribute("alt", photos.first.get_attribute("alt") or "")
    page.keyboard.press("ArrowRight")
    expect(viewer.locator(".facts")).to_contain_text(re.compile(r"2 of \d+"))
    page.keyboard.press("Escape")
    expect(photos.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(viewer).to_be_visible()
    page.keyboard.press("Escape")
    animals.locator("summary").click()
    animals.locator("[data-rename]").fill("beasts")
    page.keyboard.press("Escape")  # leaves the name as it was
    animals.locator("summary").click()
    expect(animals.locator("[data-rename]")).to_have_value("animals")
    with page.expect_download() as taken:
        animals.get_by_role("button", name="Download as ZIP").click()
    assert taken.value.suggested_filename == "animals.zip"
    with zipfile.ZipFile(taken.value.path()) as archive:
        assert len(archive.namelist()) == int(animals.locator("h2 small").inner_text())


def test_what_a_hand_holds_while_an_answer_comes_stays_the_same(open_page: OpenPage) -> None:
    page = open_page("wide")
    tab(page, "Albums")
    animals, buildings = make_album(page, "animals"), make_album(page, "buildings")
    none = page.locator(".album[data-key='-']")

    def move_the_first() -> None:
        """Move a photo, so that all behind it come to other places."""
        menu = animals.locator("select.move").first
        menu.focus()
        menu.select_option("=buildings")

    moved, dragged, kept = (card.get_attribute("data-photo") for card in animals.locator("li[data-photo]").all()[:3])
    drag = "(part, type) => part.dispatchEvent(new DragEvent(type, {bubbles: true, dataTransfer: new DataTransfer()}))"
    with answer_to_come(page):
        move_the_first()
        animals.locator(f"li[data-photo='{dragged}']").evaluate(drag, "dragstart")
    expect(buildings.locator(f"li[data-photo='{moved}']")).to_be_visible(timeout=PATIENCE)
    none.evaluate(drag, "drop")
    expect(none.locator(f"li[data-photo='{dragged}']")).to_be_visible(timeout=PATIENCE)
    expect(animals.locator(f"li[data-photo='{kept}']")).to_be_visible()
    expect(page.locator("#album-line .busy")).to_have_count(0, timeout=PATIENCE)

    moved, chosen = (card.get_attribute("data-photo") for card in animals.locator("li[data-photo]").all()[:2])
    with answer_to_come(page):
        move_the_first()
        animals.locator(f"li[data-photo='{chosen}'] select.move").focus()
    expect(buildings.locator(f"li[data-photo='{moved}']")).to_be_visible(timeout=PATIENCE)
    expect(animals.locator(f"li[data-photo='{chosen}'] select.move")).to_be_focused()
    expect(page.locator("#album-line .busy")).to_have_count(0, timeout=PATIENCE)

    moved = animals.locator("li[data-photo]").first.get_attribute("data-photo")
    name = buildings.get_by_label("Name")
    with answer_to_come(page):
        move_the_first()
        buildings.locator("summary").click()
        name.press("End")
        name.press_sequentially(" and ")
    expect(buildings.locator(f"li[data-photo='{moved}']")).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#album-line .busy")).to_have_count(0, timeout=PATIENCE)
    expect(name).to_be_focused()
    name.press_sequentially("towers")
    name.press("Enter")
    expect(page.locator(".album[data-key='=buildings and towers']")).to_be_visible(timeout=PATIENCE)


def test_an_album_is_deleted_when_asked_for_and_its_photos_stay(open_page: OpenPage) -> None:
    page = open_page("wide")
    tab(page, "Albums")
    animals = make_album(page, "animals")
    animals.locator("summary").click()
    animals.get_by_role("button", name="Delete the album").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Cancel").click()
    expect(animals.locator("summary")).to_be_focused()
    animals.locator("summary").click()
    animals.get_by_role("button", name="Delete the album").click()
    agree(page, "Delete the album “\u2068animals\u2069”? Its photos stay in the gallery.")
    expect(animals).to_have_count(0, timeout=PATIENCE)
    expect(page.get_by_role("tab", name="Albums")).to_be_focused()
    page.get_by_role("button", name="Undo").click()
    expect(animals).to_be_visible(timeout=PATIENCE)


def test_words_that_make_no_album_are_a_sentence_and_stay(open_page: OpenPage) -> None:
    page = open_page("wide")
    tab(page, "Albums")
    expect(page.locator("#album-proposals button").first).to_be_visible()  # the tab has been drawn
    wrong = "dogs: a dog, not a wolf, not a fox"
    album_words(page).fill(wrong)
    album_words(page).press("Enter")
    expect(page.locator("#album-line .problem")).to_contain_text("one is possible", timeout=PATIENCE)
    expect(album_words(page)).to_have_value(wrong)


def test_albums_in_the_demo_gallery_are_the_visitors_own(open_page: OpenPage) -> None:
    page = open_page("wide")
    tab(page, "Albums")
    make_album(page, "animals")
    other = open_page("wide")
    tab(other, "Albums")
    expect(other.locator("#albums-board")).to_contain_text("Sort your photos by words", timeout=PATIENCE)
    page.reload()
    expect(page.locator(".album[data-key='=animals']")).to_be_visible(timeout=PATIENCE)
