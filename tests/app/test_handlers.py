"""What happens when a visitor does something."""

import errno
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import Mock

import gradio as gr
import pytest

from app import access as access_module
from app.access import Access, NotYours
from app.demo import Demo
from app.handlers.add_photos import AddPhotos
from app.handlers.budget import Budget
from app.handlers.comparison import Compare
from app.handlers.galleries import Galleries
from app.handlers.photo import Selection
from app.handlers.search import COMPARE, Found, Search, unchanged
from app.pictures import Pictures
from app.services import Services
from app.session import Session
from engine.exits.text_bank import MOST_TYPED
from engine.gallery import GuideTexts, Library, Upload
from engine.gallery.comparison import Comparison
from engine.gallery.galleries import (
    delete_gallery,
    find_gallery,
    get_photo,
    list_galleries,
    list_photos,
    open_gallery,
    publish_gallery,
    summarize_gallery,
)
from engine.gallery.ingest import ingest_files
from engine.gallery.quotas import TooMuch, Visitors
from engine.gallery.reencode import reencode_gallery
from engine.search import refine as refine_module
from engine.storage.database import Database
from engine.storage.schema import GalleryMissing, PhotoMissing
from engine.utils.data_dir import home
from tests.conftest import FakeEncoder

MakeUpload = Callable[..., Upload]


@dataclass(frozen=True)
class Event:
    """What the page's script sends along."""

    query: str = ""
    photo: str = ""
    photos: str = ""


@dataclass(frozen=True)
class Request:
    """The address that a visitor came by."""

    query_params: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def search(services: Services) -> Search:
    return Search(services)


@pytest.fixture
def galleries(services: Services, search: Search) -> Galleries:
    return Galleries(services, search)


@pytest.fixture
def holidays(library: Library, upload: MakeUpload) -> int:
    gallery = open_gallery(library, "Holidays")
    ingest_files(library, gallery, [upload("r.png", "red"), upload("y.png", "yellow")])
    return gallery


def last(events: Iterator[Any]) -> Any:
    *_, found = events
    return found


def found(events: Iterator[Any]) -> Found:
    return Found(*last(events)[-len(Found._fields) :])


class TestSearch:
    def test_words_find_photos_at_once_and_then_the_doubtful_are_looked_at_again(
        self, search: Search, session: Session
    ) -> None:
        first, refined = search.searched("blue", True, session)
        assert "Looking again" in first.answer
        assert first.grid.index("blue square") < first.grid.index("relevance falls off")
        assert "blue-square.png" in first.panel
        assert "looked at again" in refined.answer

    def test_without_refining_there_is_one_answer(self, search: Search, session: Session) -> None:
        (only,) = search.searched("blue", False, session)
        assert "blue square" in only.grid

    def test_an_account_of_queries_runs_in_the_headline(
        self, search: Search, session: Session, library: Library
    ) -> None:
        before = found(search.searched("red + green", False, session)).headline
        after = found(search.searched("red + green", True, session))
        assert summarize_gallery(library, session.gallery).macs_queries > 0
        assert after.headline != before
        assert "data-again" in after.grid
        assert 'class="on new"' in after.grid

    def test_a_photo_selected_meanwhile_is_drawn_as_deep_as_its_query_has_sent_it(
        self, search: Search, session: Session, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(refine_module, "SPENDABLE", 2.0)  # more than one look
        answers = search.searched("red + green", True, session)
        next(answers)
        session.photo = session.hits[1].photo.id
        (refined,) = answers
        assert session.photo in session.deepened, "the case must send it deeper"
        assert "exit 3 of 3" in refined.panel
        assert f'data-photo="{session.photo}"' in refined.panel

    def test_what_was_folded_away_comes_back(self, search: Search, session: Session) -> None:
        grid = found(search.searched("blue", False, session)).grid
        assert grid.count('class="hit"') == 1
        assert "Show 2 more" in grid
        assert search.more(session).count('class="hit"') == 3

    @pytest.fixture
    def many(self, library: Library, upload: MakeUpload) -> Callable[[int, int], Session]:
        """Opens a gallery of so many reddish photos and so many bluish ones."""

        def visit_of(reds: int, blues: int) -> Session:
            gallery = open_gallery(library, "Many")
            colours = [*((255, i, 0) for i in range(reds)), *((0, i, 255) for i in range(blues))]
            ingest_files(library, gallery, [upload(f"{number}.png", colour) for number, colour in enumerate(colours)])
            return Session(gallery=gallery)

        return visit_of

    def test_every_click_shows_a_page_more_than_stood_out(
        self, search: Search, many: Callable[[int, int], Session]
    ) -> None:
        mine = many(3, 50)
        grids = [found(search.searched("red", False, mine)).grid, *(search.more(mine) for _ in range(3))]
        assert [grid.count('class="hit"') for grid in grids] == [3, 27, 51, 53]
        assert [re.findall(r"Show (\d+) more", grid) for grid in grids] == [["24"], ["24"], ["2"], []]
        assert all(grid.count("relevance falls off") == 1 for grid in grids)

    def test_where_more_than_a_page_stand_out_the_line_comes_after_them(
        self, search: Search, many: Callable[[int, int], Session]
    ) -> None:
        mine = many(30, 40)
        grid = found(search.searched("red", False, mine)).grid
        assert (grid.count('class="hit"'), "falls off" in grid) == (24, False)
        above, below = search.more(mine).split("relevance falls off")
        assert (above.count('class="hit"'), below.count('class="hit"')) == (30, 18)

    def test_where_all_are_alike_no_line_is_drawn(self, search: Search, library: Library, upload: MakeUpload) -> None:
        gallery = open_gallery(library, "Many")
        ingest_files(library, gallery, [upload(f"{i}.png", (255, i // 2, i % 2)) for i in range(130)])
        mine = Session(gallery=gallery)
        grids = [found(search.searched("red", False, mine)).grid, *(search.more(mine) for _ in range(5))]
        assert [grid.count('class="hit"') for grid in grids] == [24, 48, 72, 96, 120, 130]
        assert not any("falls off" in grid for grid in grids)

    def test_a_chosen_query_fills_the_search_box_and_is_remembered(self, search: Search, session: Session) -> None:
        query, *_ = last(search.again(Event(query="green"), False, session))
        assert query == "green"
        answer = found(search.searched("blue - red", False, session))
        assert 'data-query="green"' in answer.suggestions
        assert session.history == ["blue - red", "green"]

    def test_more_like_a_photo_is_a_query_by_its_picture(
        self, search: Search, session: Session, library: Library
    ) -> None:
        green = list_photos(library, session.gallery)[1]
        session.photo = green.id
        query, *_, grid, _ = last(search.alike(False, session))
        assert query == f"photo:{green.id}"
        assert "green square" in grid

    def test_a_picture_is_searched_with_and_not_kept(
        self, search: Search, session: Session, library: Library, tmp_path: Path, png: Callable[..., bytes]
    ) -> None:
        file = tmp_path / "mine.png"
        file.write_bytes(png("green"))
        before = summarize_gallery(library, session.gallery).macs_pictures
        button, query, *_, answer, grid, _ = last(search.pictured(str(file), False, session))
        assert (button, query) == (None, "photo:dropped")
        assert "one full encoding" in answer
        assert summarize_gallery(library, session.gallery).macs_pictures == before + library.encoder.full_macs
        assert "green square" in grid
        assert not file.exists()
        file.write_text("a letter")
        assert "That did not work" in found(search.pictured(str(file), False, session)).grid

    def test_a_second_picture_is_not_answered_with_the_ranking_of_the_first(
        self, search: Search, session: Session, tmp_path: Path, png: Callable[..., bytes]
    ) -> None:
        answers = []
        for colour in ("red", "blue"):
            file = tmp_path / f"my-{colour}.png"
            file.write_bytes(png(colour))
            answers.append(search.pictured(str(file), True, session))
            next(answers[-1])
        of_the_first, of_the_second = map(found, answers)
        assert of_the_first == unchanged()
        assert "blue-square.png" in of_the_second.panel
        assert session.hits[0].photo.file == "blue-square.png"

    def test_without_words_the_gallerys_photos_are_shown(self, search: Search, session: Session) -> None:
        assert found(search.searched("  ", True, session)).grid.count('class="hit"') == 3

    @pytest.mark.parametrize("text", ["\x00", "\ud800".encode("utf-8", "replace").decode(), "<b>", "🦦", "- red"])
    def test_any_text_is_a_query(self, search: Search, session: Session, text: str) -> None:
        assert "data-photo" in found(search.searched(text, False, session)).grid

    @pytest.mark.parametrize("text", ["x" * 100_000, "a + b" * 90, "99:red"])
    def test_what_is_too_much_is_a_sentence(self, search: Search, session: Session, text: str) -> None:
        assert "That did not work" in found(search.searched(text, True, session)).grid

    def test_a_gallery_that_is_gone_is_a_sentence(self, search: Search) -> None:
        assert "not there any more" in found(search.searched("red", True, Session(gallery=999))).grid

    def test_a_gallery_of_another_model_is_a_sentence_not_a_wrong_strip(
        self, search: Search, galleries: Galleries, library: Library, holidays: int
    ) -> None:
        library.encoder.identity = replace(library.encoder.identity, weights="c" * 64)
        assert "That did not work" in found(search.searched("red", True, Session(gallery=holidays))).grid
        told = galleries.whole(0.75, Session(gallery=holidays))
        assert "That did not work" in told.figures
        assert "encode its photos again" in told.figures
        assert told.histogram == told.curve == told.prospect == ""

    def test_a_gallery_with_other_exits_is_a_sentence_too(
        self, galleries: Galleries, services: Services, library: Library, holidays: int
    ) -> None:
        stages = library.encoder.stages[:2]
        encoder: Any = library.encoder
        encoder.exits, encoder.costs, encoder.stages = 1, (100,), (*stages, replace(stages[1], exit=1))
        encoder.identity = replace(encoder.identity, exits="")
        session = Session(gallery=holidays)
        assert "That did not work" in galleries.whole(0.75, session).figures
        assert "That did not work" in Compare(services).presented(session)

    def test_a_link_reopens_a_query_where_strangers_may(
        self, search: Search, session: Session, library: Library, holidays: int
    ) -> None:
        assert 'data-share="?q=red+%2B+blue"' in found(search.searched("red + blue", False, session)).answer
        mine = Session(gallery=holidays)
        assert "data-share" not in found(search.searched("red", False, mine)).answer
        link = publish_gallery(library, holidays, True)
        assert f"?gallery={link}&amp;q=red" in found(search.searched("red", False, mine)).answer


class TestGalleries:
    def test_the_first_visit_is_answered_already(self, galleries: Galleries, demo: Demo) -> None:
        choice, query, timer, kept, *rest = last(galleries.opened(None, False, Session(), Request()))
        shown = Found(*rest)
        assert choice["choices"] == [("Demo gallery · 3", choice["value"])]
        assert query == "something red"
        assert not timer["active"]
        assert kept["gallery"] == demo.id
        assert "<b>3 photos</b>" in shown.headline
        assert 'data-query="something red"' in shown.suggestions
        assert "red-square.png" in shown.panel

    def test_a_second_answer_leaves_what_is_typed_meanwhile(self, galleries: Galleries, demo: Demo) -> None:
        first, *later = galleries.opened(None, True, Session(), Request())
        assert first[1] == demo.queries[0].query
        assert later
        assert all(second[1] == gr.skip() for second in later)

    def test_an_address_reopens_a_query_and_a_published_gallery(
        self, galleries: Galleries, library: Library, holidays: int
    ) -> None:
        _, query, *_ = last(galleries.opened(None, False, Session(), Request({"q": "blue"})))
        assert query == "blue"
        link = publish_gallery(library, holidays, True)
        stranger = Session(owner="somebody else")
        asked = Request({"gallery": link, "q": "yellow"})
        choice, query, _, kept, *_ = last(galleries.opened(None, False, stranger, asked))
        assert (choice["value"], query) == (holidays, "yellow")
        again = Session(owner="somebody else")
        assert last(galleries.opened(kept, False, again, Request()))[0]["value"] == holidays

    def test_a_reload_comes_back_to_the_gallery_that_was_left(
        self, galleries: Galleries, library: Library, holidays: int, demo: Demo
    ) -> None:
        choice, *_ = last(galleries.opened({"gallery": holidays}, False, Session(), Request()))
        assert choice["value"] == holidays
        delete_gallery(library, holidays)
        choice, *_ = last(galleries.opened({"gallery": holidays}, False, Session(), Request()))
        assert choice["value"] == demo.id
        for odd in (
            "text",
            {"gallery": "x", "links": [{}]},
            {"gallery": None},
            {"gallery": [holidays], "links": ["\0", "\ud800", "ü", ["a"], None]},
            {"gallery": {"a": 1}},
        ):
            assert last(galleries.opened(odd, False, Session(), Request()))[0]["value"] == demo.id

    def test_before_the_demo_gallery_is_ready_its_progress_is_shown(
        self, database: Database, library: Library, folder: Path, pictures: Pictures
    ) -> None:
        services = Services(library, Comparison(library), Demo(library, folder), pictures.address)
        galleries = Galleries(services, Search(services))
        session = Session()
        _, _, timer, *_ = opened = last(galleries.opened(None, True, session, Request()))
        assert timer["active"]
        assert "Encoding the demo gallery" in opened[-2]
        assert "Encoding the demo gallery" in last(galleries.waited(True, session))[-2]
        services.demo.start().join()
        assert "red square" in last(galleries.waited(True, session))[-2]

    def test_a_query_of_the_address_is_answered_when_the_demo_gallery_is_ready(
        self, database: Database, library: Library, folder: Path, pictures: Pictures
    ) -> None:
        services = Services(library, Comparison(library), Demo(library, folder), pictures.address)
        galleries, session = Galleries(services, Search(services)), Session()
        _, query, *_ = last(galleries.opened(None, False, session, Request({"q": "blue"})))
        assert query == "blue"
        services.demo.start().join()
        _, query, *_, grid, _ = last(galleries.waited(False, session))
        assert query == "blue"
        assert "blue square" in grid

    def test_a_demo_that_cannot_be_encoded_is_a_sentence(
        self, database: Database, folder: Path, pictures: Pictures
    ) -> None:
        def broken() -> FakeEncoder:
            raise ZeroDivisionError

        library = Library.over(database, broken)
        demo = Demo(library, folder)
        thread_error = threading.excepthook
        threading.excepthook = lambda _: None
        demo.start().join()
        threading.excepthook = thread_error
        services = Services(library, Comparison(library), demo, pictures.address)
        _, _, timer, *_, grid, _ = last(Galleries(services, Search(services)).opened(None, True, Session(), Request()))
        assert not timer["active"]
        assert "That did not work" in grid

    def test_a_page_that_was_open_before_the_demo_was_renewed_goes_on_to_the_new_one(
        self, database: Database, folder: Path, demo: Demo, pictures: Pictures
    ) -> None:
        newer = FakeEncoder()
        newer.identity = replace(newer.identity, weights="c" * 64)
        library = Library.over(database, lambda: newer)
        again = Demo(library, folder)
        again.start().join()
        services = Services(library, Comparison(library), again, pictures.address)
        choice, query, timer, *_ = last(Galleries(services, Search(services)).waited(False, Session(gallery=demo.id)))
        assert (choice["value"], query) == (again.id, "something red")
        assert not timer["active"]

    def test_a_gallery_is_picked(self, galleries: Galleries, holidays: int, session: Session) -> None:
        query, name, kept, *rest = last(galleries.picked(holidays, False, session))
        assert (query, name, kept["gallery"]) == ("", "Holidays", holidays)
        assert Found(*rest).grid.count('class="hit"') == 2
        assert "not there any more" in found(galleries.picked(999, False, session)).grid

    def test_a_gallery_as_a_whole(self, galleries: Galleries, holidays: int) -> None:
        whole = galleries.whole(0.75, Session(gallery=holidays))
        assert "60 %" in whole.figures
        assert "Where photos leave" in whole.histogram
        assert whole.histogram.count("<img") == 2
        assert "Nobody has measured" in whole.curve
        assert "60 %" in whole.prospect

    def test_what_a_gallery_is_set_to_is_drawn_when_it_comes_on_show(
        self, galleries: Galleries, holidays: int, demo: Demo, session: Session
    ) -> None:
        settings = galleries.settings(holidays, session)
        assert (settings.budget["value"], settings.title["value"]) == (0.75, "Holidays")
        assert settings.delete["visible"]
        assert not galleries.settings(demo.id, session).delete["visible"]
        assert "value" not in galleries.settings(999, session).title

    def test_another_budget_says_what_it_saves(self, galleries: Galleries, holidays: int) -> None:
        assert "50 %" in galleries.prospect(0.5, Session(gallery=holidays))

    def test_an_empty_gallery_says_what_to_do(self, galleries: Galleries, library: Library) -> None:
        empty = Session(gallery=open_gallery(library, "Empty"))
        assert "Add photos" in galleries.whole(0.75, empty).figures
        assert "Add photos first" in found(galleries.picked(empty.gallery, True, empty)).grid

    def test_a_gallery_is_renamed_published_and_deleted(
        self, galleries: Galleries, holidays: int, library: Library, demo: Demo
    ) -> None:
        mine = Session(gallery=holidays)
        choice, done = galleries.renamed("  Sea\n<b> ", mine)
        assert ("Sea<b> · 2", holidays) in choice["choices"] or ("Sea <b> · 2", holidays) in choice["choices"]
        assert "<b>" not in done
        assert "needs a name" in galleries.renamed("  ", mine)[1]
        assert "data-link" in galleries.published(True, mine)
        assert "Only you" in galleries.published(False, mine)
        choice, query, _, tabs, *_ = last(galleries.deleted(False, mine))
        assert choice["value"] == mine.gallery == demo.id
        assert tabs["selected"] == "results"
        assert query == "something red"
        assert [summary.kind for summary in list_galleries(library)] == ["demo"]

    def test_photos_are_deleted_from_ones_own_gallery_only(
        self, galleries: Galleries, session: Session, library: Library, holidays: int
    ) -> None:
        demo = list_photos(library, session.gallery)
        assert "stays as it is" in found(galleries.discarded(Event(photos=str(demo[0].id)), session)).grid
        first, second = list_photos(library, holidays)
        mine = Session(gallery=holidays)
        for odd in ("x", "9" * 30):
            assert "not there any more" in found(galleries.discarded(Event(photos=odd), mine)).grid
        choice, *rest = last(galleries.discarded(Event(photos=f"{first.id} {demo[1].id}"), mine))
        assert ("Holidays · 1", holidays) in choice["choices"]
        assert "1 photo deleted" in Found(*rest).answer
        assert [photo.id for photo in list_photos(library, holidays)] == [second.id]
        assert len(list_photos(library, session.gallery)) == len(demo), "a photo of another gallery stays"
        emptied = found(galleries.discarded(Event(photos=str(second.id)), mine))
        assert "1 photo deleted" in emptied.answer
        assert "Add photos first" in emptied.grid

    def test_several_can_be_chosen_in_ones_own_gallery_only(
        self, search: Search, session: Session, holidays: int
    ) -> None:
        assert 'data-event="choose"' not in found(search.searched("red", False, session)).answer
        for text in ("red", ""):
            assert 'data-event="choose"' in found(search.searched(text, False, Session(gallery=holidays))).answer

    def test_what_a_query_changed_is_drawn_where_it_is_on_show(self, galleries: Galleries, holidays: int) -> None:
        mine = Session(gallery=holidays)
        assert "60 %" not in str(galleries.stirred(0.75, mine).figures)
        mine.tab = "Gallery"
        assert "60 %" in galleries.stirred(0.75, mine).figures

    def test_a_gallery_is_leafed_through_when_nothing_is_asked(
        self, search: Search, library: Library, upload: Callable[..., Upload]
    ) -> None:
        gallery = open_gallery(library, "Many")
        ingest_files(library, gallery, [upload(f"{i}.png", (i, 2, 3)) for i in range(30)])
        mine = Session(gallery=gallery)
        shown = found(search.searched("", True, mine))
        assert (shown.grid.count('class="hit"'), "Show 6 more" in shown.grid) == (24, True)
        grid = search.more(mine)
        assert (grid.count('class="hit"'), "more" in grid) == (30, False)

    def test_the_demo_gallery_stays_as_it_is(self, galleries: Galleries, session: Session, library: Library) -> None:
        assert "stays as it is" in galleries.renamed("Mine", session)[1]
        assert "stays as it is" in found(galleries.deleted(False, session)).grid
        assert "stays as it is" in galleries.published(True, session)
        assert summarize_gallery(library, session.gallery).photos == 3


class TestAccess:
    def test_a_stranger_reaches_the_demo_and_what_was_published_to_them(
        self, database: Database, library: Library, holidays: int, demo: Demo
    ) -> None:
        access = Access(library, demo, Visitors(library))
        stranger = Session(owner="somebody else")
        assert [summary.id for summary in access.galleries(stranger)] == [demo.id]
        photo = list_photos(library, holidays)[0]
        with pytest.raises(GalleryMissing):
            access.gallery(holidays, stranger)
        with pytest.raises(PhotoMissing):
            access.photo(photo.id, stranger)
        assert access.open_link("a guess", stranger) is None
        link = publish_gallery(library, holidays, True)
        assert access.open_link(link, stranger) == holidays
        assert access.photo(photo.id, stranger).file == "r.png"
        with pytest.raises(NotYours):
            access.own(holidays, stranger)
        publish_gallery(library, holidays, False)
        with pytest.raises(GalleryMissing):
            access.gallery(holidays, stranger)


class TestSelection:
    @pytest.fixture
    def selection(self, services: Services) -> Selection:
        return Selection(services)

    def test_a_photo_is_selected(self, selection: Selection, library: Library, session: Session) -> None:
        photo = list_photos(library, session.gallery)[0]
        html = selection.selected(Event(photo=str(photo.id)), session)
        assert photo.file in html
        assert "gate 1.00" in html  # the gate of the photo's own budget
        assert session.photo == photo.id
        for gone in ("999", "x", "", "9" * 30):
            assert "search again" in selection.selected(Event(photo=gone), session)

    def test_how_the_query_fits_is_told_for_every_exit(
        self, selection: Selection, search: Search, session: Session
    ) -> None:
        list(search.searched("red", False, session))
        assert selection.explained(session).count("--part") >= 3
        session.ask("")
        assert "Search for something first" in selection.explained(session)

    def test_full_depth_says_whether_the_ranking_changed(
        self, selection: Selection, search: Search, session: Session, library: Library
    ) -> None:
        list(search.searched("red", False, session))
        html = selection.deepened(session)
        assert "The ranking did not change: </b>still at rank 1" in html.replace("change:</b> ", "change: </b>")
        assert "exit 3 of 3" in html
        assert get_photo(library, session.photo).exit == 3

    def test_a_photo_of_a_model_without_exits_has_a_panel(
        self, database: Database, folder: Path, fake_encoder: FakeEncoder, pictures: Pictures
    ) -> None:
        stages = tuple(replace(s, exit=1 if s.exit == fake_encoder.exits else None) for s in fake_encoder.stages)
        full = FakeEncoder(exits=1, costs=(100,), stages=stages)
        library = Library.over(database, lambda: full)
        demo = Demo(library, folder)
        demo.start().join()
        services = Services(library, Comparison(library), demo, pictures.address)
        session = Session(gallery=demo.id)
        shown = found(Search(services).searched("red", True, session))
        assert "went all the way" in shown.panel
        assert "at full depth: this model has no exit modules yet" in shown.headline
        assert "Where photos leave" in Galleries(services, Search(services)).whole(0.75, session).histogram


@pytest.mark.parametrize("data", [None, {}, {"photo": [], "photos": {"a": 1}, "query": None}, []])
def test_an_event_that_was_made_by_hand_is_a_sentence(services: Services, holidays: int, data: object) -> None:
    event, mine = gr.EventData(None, data), Session(gallery=holidays)
    search = Search(services)
    assert "search again" in Selection(services).selected(event, mine)
    assert found(search.again(event, False, mine)).grid
    assert found(Galleries(services, search).discarded(event, mine)).grid
    assert summarize_gallery(services.library, holidays).photos == 2


class TestCompare:
    @pytest.fixture
    def compare(self, services: Services) -> Compare:
        return Compare(services)

    def test_both_rankings_stand_side_by_side_after_a_race(
        self, compare: Compare, search: Search, session: Session
    ) -> None:
        list(search.searched("red", False, session))
        race, sides = compare.shown(session)
        assert race == ""
        assert "both" in sides
        *_, (race, sides, _, stop) = compare.raced(session)
        assert "measured" in race
        assert "3 of 3" in sides
        assert not stop["visible"]
        session.ask("")
        assert "Ask something" in compare.shown(session)[1]

    def test_a_query_is_compared_where_that_is_on_show_and_nothing_is_loaded_twice(
        self, compare: Compare, search: Search, session: Session, services: Services, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        list(compare.raced(session))
        list(search.searched("red", False, session))
        loaded: list[str] = []
        for part, name in ((services.comparison, "full_run"), (access_module, "summarize_gallery")):
            load = getattr(part, name)
            monkeypatch.setattr(part, name, lambda *args, name=name, load=load: loaded.append(name) or load(*args))
        assert "3 of 3" not in str(compare.stirred(session))
        assert loaded == []
        session.tab = COMPARE
        assert "3 of 3" in compare.stirred(session)[1]
        assert sorted(loaded) == ["full_run", "summarize_gallery"]
        compare.presented(session)
        assert sorted(loaded) == ["full_run", "full_run", "summarize_gallery", "summarize_gallery"]

    def test_an_empty_gallery_has_nothing_to_compare(self, compare: Compare, library: Library) -> None:
        empty = Session(gallery=open_gallery(library, "Empty"))
        assert "Add photos first" in compare.shown(empty)[0]
        assert "add some first" in last(compare.raced(empty))[0]

    def test_present_mode_has_no_number_that_was_not_measured(
        self, compare: Compare, search: Search, session: Session
    ) -> None:
        list(search.searched("red", False, session))
        assert compare.presented(session).count('class="big">–<') == 2
        list(compare.raced(session))
        assert 'class="big">–<' not in compare.presented(session)


class TestBudget:
    def test_another_budget_is_applied(self, services: Services, library: Library, holidays: int) -> None:
        *_, (account, stop) = Budget(services).applied(1.0, "", Session(gallery=holidays))
        assert "at a budget of 100 % now" in account
        assert not stop["visible"]
        assert summarize_gallery(library, holidays).exits == (0, 0, 2)

    def test_what_people_will_look_for_is_remembered_until_it_is_taken_back(
        self, services: Services, galleries: Galleries, library: Library, holidays: int
    ) -> None:
        session = Session(gallery=holidays)
        account, _ = last(Budget(services).applied(0.75, " a kite \n\n# sky\na kite\na boat", session))
        assert "show what people will look for may have gone deeper" in account
        assert summarize_gallery(library, holidays).guides == GuideTexts(("a kite", "a boat"))
        assert galleries.settings(holidays, session).looked_for == "a kite\na boat"
        many = "\n".join(map(str, range(MOST_TYPED + 1)))
        assert f"name {MOST_TYPED} at most" in last(Budget(services).applied(0.75, many, session))[0]
        long = "a kite " * 30
        assert "say it in a few words" in last(Budget(services).applied(0.75, long, session))[0]
        assert summarize_gallery(library, holidays).guides == GuideTexts(("a kite", "a boat")), (
            "what is refused changes nothing"
        )
        assert "may have gone deeper" not in last(Budget(services).applied(0.75, "", session))[0]
        assert summarize_gallery(library, holidays).guides is None
        assert galleries.settings(holidays, session).looked_for == ""

    def test_a_files_many_phrases_stay_as_they_are_when_the_budget_alone_is_changed(
        self, services: Services, galleries: Galleries, library: Library, holidays: int
    ) -> None:
        of_a_file = GuideTexts(tuple(f"a kite of {n}" for n in range(MOST_TYPED + 1)), only=True)
        reencode_gallery(library, holidays, guides=of_a_file)
        session = Session(gallery=holidays)
        shown = galleries.settings(holidays, session).looked_for
        account, _ = last(Budget(services).applied(1.0, shown, session))
        assert "at a budget of 100 % now" in account
        assert summarize_gallery(library, holidays).guides == of_a_file

    def test_a_photo_whose_kept_picture_is_gone_is_named(
        self, services: Services, library: Library, holidays: int
    ) -> None:
        gone = list_photos(library, holidays)[0]
        library.picture_path(gone.content_hash).unlink()
        account, _ = last(Budget(services).applied(1.0, "", Session(gallery=holidays)))
        assert "All other photos are" in account
        assert f"{gone.file}</span><span>its kept picture is gone" in account

    def test_a_gallery_that_is_gone_is_a_sentence(self, services: Services) -> None:
        assert "That did not work" in last(Budget(services).applied(0.5, "", Session(gallery=999)))[0]

    def test_apply_that_is_refused_leaves_the_one_before_it_its_button(
        self, services: Services, holidays: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> NoReturn:
            raise TooMuch("One at a time.")

        budget, session = Budget(services), Session(gallery=holidays)
        with services.access.work(session), services.access.work(session):  # all others wait in line
            applying = budget.applied(1.0, "", session)
            next(applying)
            next(applying)
            monkeypatch.setattr(budget, "_encode", refuse)
            account, stop = last(budget.applied(0.5, "", session))
            assert "One at a time." in account
            assert stop["visible"], "what is under way can still be stopped"
            budget.stopped(session)
            account, stop = last(applying)
        assert "Stopped" in account
        assert not stop["visible"]


class TestAddPhotos:
    @pytest.fixture
    def add_photos(self, services: Services, search: Search, galleries: Galleries) -> AddPhotos:
        return AddPhotos(services, search, galleries)

    @pytest.fixture
    def dropped(self, tmp_path: Path, png: Callable[..., bytes]) -> Callable[..., list[str]]:
        """Makes files in what stands for Gradio's cache."""

        def drop(**contents: str | bytes) -> list[str]:
            cache = tmp_path / "cache"
            cache.mkdir(exist_ok=True)
            files = []
            for name, content in contents.items():
                path = cache / name
                path.write_bytes(content if isinstance(content, bytes) else png(content))
                files.append(str(path))
            return files

        return drop

    def test_what_was_sent_is_counted_while_it_is_looked_through(
        self, add_photos: AddPhotos, dropped: Callable[..., list[str]], session: Session
    ) -> None:
        accounts = [
            account for _, account, *_ in add_photos.uploaded(dropped(a="yellow", b="green"), "Holidays", session)
        ]
        looking = [account for account in accounts if isinstance(account, str) and "Looking through" in account]
        assert ["1 photo so far" in looking[0], "2 photos so far" in looking[1]] == [True, True]
        assert len(looking) == 2

    def test_good_files_are_stored_and_bad_ones_named(
        self, add_photos: AddPhotos, dropped: Callable[..., list[str]], session: Session
    ) -> None:
        files = dropped(yellow="yellow", text=b"hello", empty=b"", green="green")
        drop, account, stop, choice, query, kept, *rest = last(add_photos.uploaded(files, "Holidays", session))
        assert drop is None
        assert "2</b> photos added to “Holidays”" in account
        assert "text</span>" in account
        assert "empty</span>" in account
        assert not stop["visible"]
        assert ("Holidays · 2", choice["value"]) in choice["choices"]
        assert (query, kept["gallery"]) == ("", choice["value"])
        assert "<b>2 photos</b>" in Found(*rest).headline
        assert Found(*rest).grid.count('class="hit"') == 2

    def test_the_same_photos_again_are_no_new_photos(
        self, add_photos: AddPhotos, dropped: Callable[..., list[str]], session: Session
    ) -> None:
        list(add_photos.uploaded(dropped(red="red"), "Holidays", session))
        account = last(add_photos.uploaded(dropped(red="red", blue="blue"), "Holidays", session))[1]
        assert "1</b> photo added" in account
        assert "1 was here already" in account

    def test_stop_keeps_what_is_done(
        self, add_photos: AddPhotos, dropped: Callable[..., list[str]], session: Session, library: Library
    ) -> None:
        files = dropped(letter=b"Dear Sir", **{f"p{i}": (i, 2, 3) for i in range(100)})  # four batches
        events = add_photos.uploaded(files, "Holidays", session)
        next(events)
        next(events)
        add_photos.stopped(session)
        *_, final = events
        kept = summarize_gallery(library, session.gallery).photos
        assert 31 <= kept < 100
        assert (kept + 1) % 32 == 0, "whole batches, the first with a file that is no picture"
        assert f"{kept}</b> photos added to “Holidays” so far, and kept" in final[1]
        assert "<span>letter</span>" in final[1], "bad files until then are named"

    def test_an_upload_is_stopped_by_its_own_button_and_a_race_by_its_own(
        self, add_photos: AddPhotos, dropped: Callable[..., list[str]], session: Session, services: Services
    ) -> None:
        compare = Compare(services)
        with services.access.work(session), services.access.work(session):  # both wait in line
            uploading, racing = add_photos.uploaded(dropped(red="red"), "Holidays", session), compare.raced(session)
            for begun in (uploading, racing):
                next(begun)
                next(begun)
            add_photos.stopped(session)
            assert "Stopped" in last(uploading)[1]
            compare.stopped(session)
            assert "Stopped" in last(racing)[0]

    def test_an_upload_that_is_refused_leaves_the_one_before_it_its_button(
        self,
        add_photos: AddPhotos,
        dropped: Callable[..., list[str]],
        session: Session,
        services: Services,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def refuse(*_: object) -> NoReturn:
            raise TooMuch("One upload at a time.")

        with services.access.work(session), services.access.work(session):  # all others wait in line
            uploading = add_photos.uploaded(dropped(red="red"), "Holidays", session)
            next(uploading)
            next(uploading)
            monkeypatch.setattr(services, "ingest", refuse)
            _, account, stop, *_ = last(add_photos.uploaded(dropped(blue="blue"), "Holidays", session))
            assert "One upload at a time." in account
            assert stop["visible"], "what is under way can still be stopped"
            add_photos.stopped(session)
            assert "Stopped" in last(uploading)[1]
        assert not last(add_photos.uploaded(dropped(blue="blue"), "Holidays", session))[2]["visible"], (
            "nothing to stop now"
        )

    def test_nothing_stays_in_gradios_cache(
        self, add_photos: AddPhotos, dropped: Callable[..., list[str]], tmp_path: Path, session: Session
    ) -> None:
        files = dropped(red="red", text=b"hello")
        account = last(add_photos.uploaded([*files, files[0]], "", session))[1]
        assert "1</b> photo added" in account
        assert "1 was here already" in account
        assert not list((tmp_path / "cache").iterdir())
        assert not list(home().glob("incoming-*"))

    def test_a_full_disk_is_a_sentence_and_nothing_stays(
        self,
        add_photos: AddPhotos,
        dropped: Callable[..., list[str]],
        tmp_path: Path,
        session: Session,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("shutil.move", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
        _, account, stop, *_ = last(add_photos.uploaded(dropped(red="red"), "Holidays", session))
        assert "No space left on device" in account
        assert not stop["visible"]
        assert not list((tmp_path / "cache").iterdir())

    def test_what_a_killed_upload_left_behind_is_forgotten_after_a_day(
        self, add_photos: AddPhotos, dropped: Callable[..., list[str]], session: Session
    ) -> None:
        old, recent = home() / "incoming-old", home() / "incoming-recent"
        for folder in (old, recent):
            folder.mkdir()
            (folder / "0").write_bytes(b"an original")
        os.utime(old, (0, 0))
        list(add_photos.uploaded(dropped(red="red"), "", session))
        assert not old.exists()
        assert recent.exists()

    def test_an_ingest_that_fails_says_so_to_the_visitor(
        self, add_photos: AddPhotos, library: Library, dropped: Callable[..., list[str]], session: Session
    ) -> None:
        list(add_photos.uploaded(dropped(red="red"), "Holidays", session))
        library.encoder.identity = replace(library.encoder.identity, weights="c" * 64)
        account = last(add_photos.uploaded(dropped(blue="blue"), "Holidays", session))[1]
        assert "That did not work" in account

    def test_an_ingest_goes_on_when_the_visitor_leaves(
        self, add_photos: AddPhotos, library: Library, dropped: Callable[..., list[str]], session: Session
    ) -> None:
        events = add_photos.uploaded(dropped(red="red", blue="blue"), "Holidays", session)
        next(events)
        next(events)
        events.close()
        for thread in threading.enumerate():
            if thread.name == "work":
                thread.join(10)
        gallery = find_gallery(library, "Holidays")
        assert gallery is not None
        assert summarize_gallery(library, gallery).photos == 2

    def test_a_folder_of_this_machine_is_taken_in_by_its_owner_only(
        self, add_photos: AddPhotos, folder: Path, session: Session, library: Library, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert "3</b> photos added to “Colours”" in last(add_photos.from_folder(str(folder), "Colours", session))[1]
        assert "is not a folder" in last(add_photos.from_folder(str(folder / "none"), "Colours", session))[1]
        (folder / "empty").mkdir()
        assert "no picture in that folder" in last(add_photos.from_folder(str(folder / "empty"), "Colours", session))[1]
        monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
        assert "only on the machine itself" in last(add_photos.from_folder(str(folder), "Colours", session))[1]
