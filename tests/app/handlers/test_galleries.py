"""What a visitor does with galleries."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import gradio as gr
import pytest

from app.demo import Demo
from app.handlers.add_photos import AddPhotos
from app.handlers.galleries import Galleries
from app.handlers.overview import Overview
from app.handlers.search import Search
from app.pictures import Pictures
from app.services import Services
from app.session import Session
from engine.gallery import DEFAULT_BUDGET, Library
from engine.gallery.comparison import Comparison
from engine.gallery.galleries import (
    delete_gallery,
    list_galleries,
    list_photos,
    open_gallery,
    publish_gallery,
    summarize_gallery,
)
from engine.gallery.reencode import reencode_gallery
from engine.gallery.search import search_photos
from engine.storage.database import Database
from tests.app.sending import Event
from tests.app.shown_examples import PARTS, after
from tests.fake_encoder import FakeEncoder
from tests.pictures import Fill


class Request(gr.Request):
    """A visit, by an address with these parameters."""

    def __init__(self, query_params: dict[str, str] | None = None) -> None:
        super().__init__(query_params=query_params or {})


def test_who_comes_for_a_gallery_that_is_not_there_is_told_what_to_do(galleries: Galleries, demo: Demo) -> None:
    shown = after(galleries.opened(None, False, Session(), Request({"gallery": "no-such-link"})))
    assert "Ask for a new link" in shown.notice
    assert "3 photos" in shown.headline


def test_the_first_visit_is_answered_already(galleries: Galleries, demo: Demo) -> None:
    shown = after(galleries.opened(None, False, Session(), Request()))
    assert shown.gallery["choices"] == [("Demo gallery · 3", shown.gallery["value"])]
    assert not hasattr(shown, "query"), "it stands in the box, unless the visitor has typed"
    assert not shown.timer["active"]
    assert "<b>3 photos</b>" in shown.headline
    assert 'data-query="something red"' in shown.suggestions
    assert "red-square.png" in shown.panel


def test_a_second_answer_leaves_what_is_typed_meanwhile(galleries: Galleries, demo: Demo) -> None:
    at_once, first, second = galleries.opened(None, True, Session(), Request({"q": "blue"}))
    assert after(at_once).query == "blue"
    assert not hasattr(after([first, second]), "query")


def test_an_address_reopens_a_query_and_a_published_gallery(
    galleries: Galleries, library: Library, holidays: int
) -> None:
    assert after(galleries.opened(None, False, Session(), Request({"q": "blue"}))).query == "blue"
    link = publish_gallery(library, holidays, True)
    stranger = Session(owner="somebody else")
    asked = Request({"gallery": link or "", "q": "yellow"})
    shown = after(galleries.opened(None, False, stranger, asked))
    assert (shown.gallery["value"], shown.query) == (holidays, "yellow")
    again = Session(owner="somebody else")
    assert after(galleries.opened(shown.browser, False, again, Request())).gallery["value"] == holidays


def test_a_reload_comes_back_to_the_gallery_that_was_left(
    galleries: Galleries, library: Library, holidays: int, demo: Demo
) -> None:
    shown = after(galleries.opened({"gallery": holidays}, False, Session(), Request()))
    assert shown.gallery["value"] == holidays
    assert not hasattr(shown, "notice")
    delete_gallery(library, holidays)
    shown = after(galleries.opened({"gallery": holidays}, False, Session(), Request()))
    assert shown.gallery["value"] == demo.id
    assert "choose another one" in shown.notice
    for odd in (
        "text",
        {"gallery": "x", "links": [{}]},
        {"gallery": None},
        {"gallery": [holidays], "links": ["\0", "\ud800", "ü", ["a"], None]},
        {"gallery": {"a": 1}},
    ):
        assert after(galleries.opened(odd, False, Session(), Request())).gallery["value"] == demo.id


def test_who_left_the_demo_gallery_comes_back_to_it_when_it_was_encoded_anew(
    galleries: Galleries, library: Library, demo: Demo
) -> None:
    kept = after(galleries.opened(None, False, Session(), Request())).browser
    delete_gallery(library, demo.id)
    demo.find_again()
    shown = after(galleries.opened(kept, False, Session(), Request()))
    assert shown.gallery["value"] == demo.id
    assert not hasattr(shown, "notice"), "nobody deleted it"


@pytest.fixture
def early(library: Library, folder: Path, pictures: Pictures) -> Services:
    """A page whose demo gallery is not begun yet."""
    return Services(library, Comparison(library), Demo(library, folder), pictures.address)


def test_before_the_demo_gallery_is_ready_its_progress_is_shown(early: Services) -> None:
    galleries, session = Galleries(early, PARTS, Search(early, PARTS)), Session()
    shown = after(galleries.opened(None, True, session, Request()))
    assert shown.timer["active"]
    assert "Encoding the demo gallery" in shown.grid
    assert shown.browser["browser"] == session.browser, "a reload is no other visitor"
    assert "Encoding the demo gallery" in after(galleries.waited(True, session)).grid
    early.demo.start().join()
    assert "red square" in after(galleries.waited(True, session)).grid


def test_a_query_of_the_address_is_answered_when_the_demo_gallery_is_ready(early: Services) -> None:
    galleries, session = Galleries(early, PARTS, Search(early, PARTS)), Session()
    assert after(galleries.opened(None, False, session, Request({"q": "blue"}))).query == "blue"
    early.demo.start().join()
    shown = after(galleries.waited(False, session))
    assert shown.query == "blue"
    assert "blue square" in shown.grid


def test_a_second_that_is_counted_late_leaves_the_visitors_answer_alone(early: Services) -> None:
    search, session = Search(early, PARTS), Session()
    galleries = Galleries(early, PARTS, search)
    after(galleries.opened(None, False, session, Request()))
    early.demo.start().join()
    after(galleries.waited(False, session))
    after(search.searched("blue", True, session))
    deepened = dict(session.deepened)
    late = after(galleries.waited(True, session))
    assert vars(late).keys() == {"timer"}
    assert not late.timer["active"]
    assert session.deepened == deepened


def test_a_demo_that_cannot_be_encoded_is_a_sentence(database: Database, folder: Path, pictures: Pictures) -> None:
    library = Library(database, Mock(side_effect=ZeroDivisionError))
    demo = Demo(library, folder)
    demo.start()  # it goes on trying
    assert demo.wait(30)
    services = Services(library, Comparison(library), demo, pictures.address)
    galleries = Galleries(services, PARTS, Search(services, PARTS))
    shown = after(galleries.opened(None, True, Session(), Request()))
    assert not shown.timer["active"]
    assert "That did not work" in shown.grid


def test_a_page_that_was_open_before_the_demo_was_renewed_goes_on_to_the_new_one(
    database: Database, page_over: Callable[[Library], Services], demo: Demo
) -> None:
    newer = FakeEncoder()
    newer.identity = replace(newer.identity, weights="c" * 64)
    services = page_over(Library(database, lambda: newer))
    again = services.demo
    assert again.ids == [demo.id, again.id]
    hits = search_photos(services.library, again.id, "green", k=1)
    assert [hit.photo.file for hit in hits] == ["green-square.png"]
    galleries = Galleries(services, PARTS, Search(services, PARTS))
    shown = after(galleries.waited(False, Session(gallery=demo.id)))
    assert shown.gallery["value"] == again.id
    assert 'data-query="something red"' in shown.answer
    assert not shown.timer["active"]


def test_a_demo_that_is_encoded_anew_is_not_said_to_be_stored_already(
    library: Library, folder: Path, demo: Demo, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(*_: object) -> None:
        services = Services(library, Comparison(library), again, pictures.address)
        galleries = Galleries(services, PARTS, Search(services, PARTS))
        shown.append(after(galleries.opened(None, False, Session(), Request())).grid)

    shown: list[str] = []
    monkeypatch.setattr("app.demo.ingest_files", opened)
    for budget, words in ((DEFAULT_BUDGET, "stored already"), (1.0, "Encoding the demo gallery")):
        reencode_gallery(library, demo.id, budget)
        again = Demo(library, folder)
        again.start().join()
        assert words in shown[-1]


def test_a_gallery_is_picked(galleries: Galleries, holidays: int, session: Session) -> None:
    shown = after(galleries.picked(holidays, False, session))
    assert (shown.query, shown.add_to, shown.browser["gallery"]) == ("", "Holidays", holidays)
    assert shown.grid.count('class="hit"') == 2
    session.ask("a dog")
    assert not list(galleries.chosen(holidays, False, session)), "the box tells of the one on show whenever it is left"
    assert session.words == "a dog"
    assert "not there any more" in after(galleries.chosen(999, False, session)).grid
    assert after(galleries.chosen(holidays, False, session)).query == "", "and back again"


def test_a_list_that_comes_late_leaves_the_gallery_that_was_picked_meanwhile(
    galleries: Galleries, holidays: int, session: Session
) -> None:
    renaming = Session(gallery=holidays)
    for late in (galleries.listed(session), galleries.renamed("Sea", holidays, renaming)):
        assert len(after(late).gallery["choices"]) == 2
        assert "value" not in after(late).gallery


def test_who_comes_back_to_a_page_that_the_server_has_forgotten_is_told_what_to_do(
    galleries: Galleries, search: Search, session: Session
) -> None:
    forgotten = Session()
    assert "load it again" in after(search.searched("red", True, forgotten)).grid
    assert "load it again" in after(galleries.listed(forgotten)).notice
    assert not hasattr(after(galleries.listed(session)), "notice")


def test_a_page_that_the_server_has_forgotten_changes_no_gallery_by_its_number(
    galleries: Galleries, holidays: int, library: Library
) -> None:
    before, forgotten = list_galleries(library), Session()
    assert "load it again" in after(galleries.renamed("Sea", holidays, forgotten)).renamed
    assert "load it again" in after(galleries.published(True, holidays, forgotten)).link
    assert "load it again" in after(galleries.deleted(holidays, False, forgotten)).grid
    assert list_galleries(library) == before


def test_photos_are_added_to_the_gallery_that_comes_on_show(
    galleries: Galleries, holidays: int, session: Session
) -> None:
    for told, name in (
        (galleries.opened({"gallery": holidays}, False, Session(), Request()), "Holidays"),
        (galleries.gone_to(Event(gallery=str(holidays), q=""), False, session), "Holidays"),
        (galleries.gone_to(Event(gallery="", q="red"), False, session), "My photos"),
    ):
        shown = after(told)
        assert (shown.add_to, shown.adds_to) == (name, f"Add to “{name}”")
    assert after(galleries.renamed(" Sea ", holidays, Session(gallery=holidays))).add_to == "Sea"


def test_a_name_that_was_typed_stays_when_another_gallery_comes_on_show(
    galleries: Galleries, add_photos: AddPhotos, holidays: int, session: Session
) -> None:
    add_photos.named("My photos", session)
    assert after(galleries.picked(holidays, False, session)).add_to == "Holidays", "the page has put it there"
    assert "“Holiday”" in after(add_photos.named("Holiday", session)).adds_to
    for told in (
        galleries.picked(holidays, False, session),
        galleries.picked(999, False, session),
        galleries.gone_to(Event(gallery=str(holidays), q=""), False, session),
    ):
        assert not hasattr(after(told), "add_to")
    assert not hasattr(after(galleries.renamed("Sea", holidays, session)), "add_to")


def test_a_gallery_as_a_whole(overview: Overview, holidays: int) -> None:
    whole = after(overview.shown(0.75, "", Session(gallery=holidays)))
    assert "60 %" in whole.figures
    assert "Where photos leave" in whole.histogram
    assert whole.histogram.count("<img") == 2
    assert "Nobody has measured" in whole.curve
    assert "60 %" in whole.budget_preview


def test_what_a_gallery_is_set_to_is_drawn_when_it_comes_on_show(
    galleries: Galleries, holidays: int, demo: Demo, session: Session
) -> None:
    settings = after(galleries.settings(holidays, session))
    assert (settings.budget, settings.rename["value"]) == (0.75, "Holidays")
    assert settings.delete["visible"]
    assert settings.renamed == settings.applied == "", "what was said there is of the gallery before"
    assert not after(galleries.settings(demo.id, session)).delete["visible"]
    assert not vars(after(galleries.settings(999, session)))


def test_an_empty_gallery_says_what_to_do(galleries: Galleries, overview: Overview, library: Library) -> None:
    empty = Session(gallery=open_gallery(library, "Empty"))
    assert "Add photos" in after(overview.shown(0.75, "", empty)).figures
    assert "Add photos first" in after(galleries.picked(empty.gallery or 0, True, empty)).grid


def test_a_gallery_is_renamed_published_and_deleted(
    galleries: Galleries, holidays: int, library: Library, demo: Demo
) -> None:
    mine = Session(gallery=holidays)
    shown = after(galleries.renamed("  Sea /\n<2026>\u202e ", holidays, mine))
    assert ("Sea / <2026> · 2", holidays) in shown.gallery["choices"]
    assert "Sea / &lt;2026&gt;" in shown.renamed
    assert "needs a name" in after(galleries.renamed("  ", holidays, mine)).renamed
    other = Session(gallery=holidays)  # another tab
    for public, words in ((True, "data-link"), (False, "Only you")):
        pressed = galleries.published(public, holidays, mine)
        opened, behind = galleries.shared(0.6, "", public, other), galleries.shared(0.6, "", not public, other)
        assert words in after(pressed).link == after(opened).link == after(behind).link
        assert not hasattr(after(pressed), "public"), "or a later click is taken back"
        assert "value" not in after(opened).public, "or a click is taken back"
        assert after(behind).public["value"] is public
    deleting = galleries.deleted(holidays, False, mine)
    assert "2 photos" in after(next(deleting)).grid, "at once"
    assert holidays in [summary.id for summary in list_galleries(library)]
    shown = after(deleting)
    assert shown.gallery["value"] == mine.gallery == demo.id
    assert shown.query == "something red"
    assert after(galleries.shared(0.6, "", False, other)).link == ""
    assert [summary.kind for summary in list_galleries(library)] == ["demo"]


def test_the_gallery_that_the_visitor_was_asked_about_is_deleted_and_none_that_came_on_show_since(
    galleries: Galleries, holidays: int, fill: Fill, library: Library
) -> None:
    mine = Session(gallery=holidays)
    walls = fill("Walls", {"b.png": "blue"})
    list(galleries.gone_to(Event(gallery=str(walls), q=""), False, mine))  # whose answer is on its way
    renamed = after(galleries.renamed("Sea", holidays, mine))
    assert "Sea · 2" in str(renamed.gallery)
    assert not {"renamed", "add_to"} & vars(renamed).keys(), "they are of the other one by now"
    deleted = after(galleries.deleted(holidays, False, mine))
    assert vars(deleted).keys() == {"gallery"}, "and that one stays on show"
    assert [summary.name for summary in list_galleries(library) if summary.kind != "demo"] == ["Walls"]
    assert mine.gallery == walls


def test_a_click_publishes_the_gallery_that_it_was_made_for_and_the_last_click_counts(
    galleries: Galleries, holidays: int, library: Library, demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived = iter((1, 3, 2, 5, 4))
    monkeypatch.setattr("app.handlers.galleries.arrival", lambda: next(arrived))
    mine = Session(gallery=holidays)
    galleries.published(True, holidays, mine)
    mine.gallery = demo.id  # picked at once
    for late in (False, True):
        assert not vars(after(galleries.published(late, holidays, mine))), "the box is another gallery's by now"
        assert summarize_gallery(library, holidays).link is None
    for gallery in (open_gallery(library, "Another"), holidays):
        galleries.published(True, gallery, mine)
        assert summarize_gallery(library, gallery).link is not None


def test_photos_are_deleted_from_ones_own_gallery_only(
    galleries: Galleries, session: Session, library: Library, holidays: int
) -> None:
    demo = list_photos(library, session.gallery or 0)
    assert "stays as it is" in after(galleries.photos_deleted(Event(photos=str(demo[0].id)), session)).grid
    first, second = list_photos(library, holidays)
    mine = Session(gallery=holidays)
    for odd in ("x", "9" * 30):
        assert "not there any more" in after(galleries.photos_deleted(Event(photos=odd), mine)).grid
    deleting = galleries.photos_deleted(Event(photos=f"{first.id} {demo[1].id}"), mine)
    assert "Deleting 2 photos" in after(next(deleting)).answer, "at once"
    assert len(list_photos(library, holidays)) == 2
    shown = after(deleting)
    assert ("Holidays · 1", holidays) in shown.gallery["choices"]
    assert "1 photo deleted" in shown.answer
    assert [photo.id for photo in list_photos(library, holidays)] == [second.id]
    assert len(list_photos(library, session.gallery or 0)) == len(demo), "a photo of another gallery stays"
    emptied = after(galleries.photos_deleted(Event(photos=str(second.id)), mine))
    assert "1 photo deleted" in emptied.answer
    assert "Add photos first" in emptied.grid


def test_several_can_be_picked_everywhere_and_deleted_in_ones_own_gallery_only(
    search: Search, session: Session, holidays: int
) -> None:
    for text in ("red", ""):
        foreign = after(search.searched(text, False, session)).answer
        own = after(search.searched(text, False, Session(gallery=holidays))).answer
        assert ('data-event="zip"' in foreign, 'data-event="discard"' in foreign) == (True, False)
        assert ('data-event="zip"' in own, 'data-event="discard"' in own) == (True, True)


def test_what_a_query_changed_is_drawn_where_it_is_on_show(overview: Overview, holidays: int) -> None:
    mine = Session(gallery=holidays)
    assert not vars(after(overview.shown_if_open(0.75, "", mine)))
    mine.tab = "Gallery"
    assert "60 %" in after(overview.shown_if_open(0.75, "", mine)).figures


def test_a_gallery_is_leafed_through_when_nothing_is_asked(search: Search, fill: Fill) -> None:
    mine = Session(gallery=fill("Many", {f"{i}.png": (i, 2, 3) for i in range(30)}))
    shown = after(search.searched("  ", True, mine))
    assert shown.query == ""
    assert 'data-query=""' in shown.answer
    assert (shown.grid.count('class="hit"'), "Show 6 more" in shown.grid) == (24, True)
    grid = after(search.more(mine)).grid
    assert (grid.count('class="hit"'), "more" in grid) == (30, False)


def test_the_demo_gallery_stays_as_it_is(galleries: Galleries, session: Session, library: Library) -> None:
    assert "stays as it is" in after(galleries.renamed("Mine", session.gallery, session)).renamed
    assert "stays as it is" in after(galleries.deleted(session.gallery, False, session)).grid
    refused = after(galleries.published(True, session.gallery, session))
    assert "stays as it is" in refused.link
    assert refused.public is False  # and no tick says that it is
    assert summarize_gallery(library, session.gallery or 0).photos == 3
