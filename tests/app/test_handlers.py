"""What happens when a visitor does something."""

import errno
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import Mock

import gradio as gr
import pytest

from app import access as access_module
from app import services as services_module
from app.access import Access, NotYours
from app.demo import Demo
from app.handlers import photo as photo_module
from app.handlers.add_photos import AddPhotos
from app.handlers.budget import Budget
from app.handlers.comparison import COMPARE, Compare
from app.handlers.galleries import Galleries
from app.handlers.photo import Selection
from app.handlers.picture_search import PictureSearch
from app.handlers.present import Present
from app.handlers.search import Search
from app.parts import Updates
from app.pictures import Pictures
from app.services import Services
from app.session import Session
from app.uploading.inbox import MOST_FILES
from app.uploading.incoming import Incoming
from app.uploading.sent_files import forget_interrupted
from engine.exits.text_bank import MOST_TYPED
from engine.gallery import Library, Upload, shipped_race
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
from engine.storage.database import Database
from engine.storage.schema import GalleryMissing, PhotoMissing
from engine.utils.data_dir import home
from tests.app.sending import Event, announced, uploaded
from tests.app.shown_examples import PARTS, after, plain
from tests.fake_encoder import FakeEncoder

MakeUpload = Callable[..., Upload]


class Request(gr.Request):
    """A visit, by an address with these parameters."""

    def __init__(self, query_params: dict[str, str] | None = None) -> None:
        super().__init__(query_params=query_params or {})


@pytest.fixture
def search(services: Services) -> Search:
    return Search(services, PARTS)


@pytest.fixture
def picture_search(services: Services, search: Search) -> PictureSearch:
    return PictureSearch(services, PARTS, search)


@pytest.fixture
def galleries(services: Services, search: Search) -> Galleries:
    return Galleries(services, PARTS, search)


@pytest.fixture
def holidays(library: Library, upload: MakeUpload) -> int:
    gallery = open_gallery(library, "Holidays")
    ingest_files(library, gallery, [upload("r.png", "red"), upload("y.png", "yellow")])
    return gallery


class TestSearch:
    def test_words_find_photos_at_once_and_then_the_doubtful_are_looked_at_again(
        self, search: Search, session: Session
    ) -> None:
        first, refined = map(after, search.searched("blue", True, session))
        assert "A second look" in first.answer
        assert first.grid.index("blue square") < first.grid.index("relevance falls off")
        assert "blue-square.png" in first.panel
        assert "second look" in refined.answer

    def test_without_refining_there_is_one_answer(self, search: Search, session: Session) -> None:
        (only,) = search.searched("blue", False, session)
        assert "blue square" in after(only).grid

    def test_a_second_look_is_marked_and_leaves_what_indexing_took_as_it_is(
        self, search: Search, session: Session, library: Library
    ) -> None:
        before = after(search.searched("red + green", False, session)).headline
        refined = after(search.searched("red + green", True, session))
        assert summarize_gallery(library, session.gallery or 0).macs_queries > 0
        assert refined.headline == before
        assert "data-again" in refined.grid
        assert 'class="on new"' in refined.grid

    def test_a_photo_selected_meanwhile_is_drawn_as_deep_as_its_query_has_sent_it(
        self, search: Search, session: Session
    ) -> None:
        answers = search.searched("red + green", True, session)
        next(answers)
        session.photo = session.hits[1].photo.id
        refined = after(answers)
        assert session.photo in session.deepened, "the case must send it deeper"
        assert "exit 3 of 3" in refined.panel
        assert f'data-photo="{session.photo}"' in refined.panel

    def test_what_fits_less_stands_below_the_line(self, search: Search, session: Session) -> None:
        above, below = after(search.searched("blue", False, session)).grid.split("relevance falls off")
        assert (above.count('class="hit"'), below.count('class="hit"')) == (1, 2)

    def test_scores_on_show_never_rise_along_a_ranking(self, search: Search, session: Session) -> None:
        for query in ("blue", "red + blue", "green - red"):
            grid = after(search.searched(query, True, session)).grid
            scores = [int(score.replace("−", "-")) for score in re.findall(r"score (−?\d+)", grid)]
            assert scores == sorted(scores, reverse=True)
            assert len(scores) == 3

    @pytest.fixture
    def many(self, library: Library, upload: MakeUpload) -> Callable[[int, int], Session]:
        """Opens a gallery of so many reddish photos and so many bluish ones."""

        def visit_of(reds: int, blues: int) -> Session:
            gallery = open_gallery(library, "Many")
            colours = [*((255, i, 0) for i in range(reds)), *((0, i, 255) for i in range(blues))]
            ingest_files(library, gallery, [upload(f"{number}.png", colour) for number, colour in enumerate(colours)])
            return Session(gallery=gallery)

        return visit_of

    def test_a_page_more_comes_every_time(self, search: Search, many: Callable[[int, int], Session]) -> None:
        mine = many(3, 50)
        grids = [after(search.searched("red", False, mine)).grid, *(after(search.more(mine)).grid for _ in range(3))]
        assert [grid.count('class="hit"') for grid in grids] == [24, 48, 53, 53]
        assert [re.findall(r"Show (\d+) more", grid) for grid in grids] == [["24"], ["5"], [], []]
        assert all(grid.count("relevance falls off") == 1 for grid in grids)

    def test_where_more_than_a_page_stand_out_the_line_comes_after_them(
        self, search: Search, many: Callable[[int, int], Session]
    ) -> None:
        mine = many(30, 40)
        grid = after(search.searched("red", False, mine)).grid
        assert (grid.count('class="hit"'), "falls off" in grid) == (24, False)
        above, below = after(search.more(mine)).grid.split("relevance falls off")
        assert (above.count('class="hit"'), below.count('class="hit"')) == (30, 18)

    def test_where_all_are_alike_no_line_is_drawn(self, search: Search, library: Library, upload: MakeUpload) -> None:
        gallery = open_gallery(library, "Many")
        ingest_files(library, gallery, [upload(f"{i}.png", (255, i // 2, i % 2)) for i in range(130)])
        mine = Session(gallery=gallery)
        grids = [after(search.searched("red", False, mine)).grid, *(after(search.more(mine)).grid for _ in range(5))]
        assert [grid.count('class="hit"') for grid in grids] == [24, 48, 72, 96, 120, 130]
        assert not any("falls off" in grid for grid in grids)

    def test_a_chosen_query_fills_the_search_box_and_is_remembered(self, search: Search, session: Session) -> None:
        assert after(search.suggestion_chosen(Event(query="green"), False, session)).query == "green"
        answer = after(search.searched("blue - red", False, session))
        assert 'data-query="green"' in answer.suggestions
        assert session.history == ["blue - red", "green"]

    def test_more_like_a_photo_is_a_query_by_its_picture(
        self, picture_search: PictureSearch, session: Session, library: Library
    ) -> None:
        green = list_photos(library, session.gallery or 0)[1]
        session.photo = green.id
        shown = after(picture_search.more_like_this(Event(), False, session))
        assert (shown.query, session.query) == ("", f"photo:{green.id}")
        assert f"photo/{green.id}/grid" in shown.chip
        assert "green square" in shown.grid

    def test_words_join_the_picture_until_it_is_taken_out(
        self, search: Search, picture_search: PictureSearch, session: Session, library: Library
    ) -> None:
        green = list_photos(library, session.gallery or 0)[1]
        list(picture_search.more_like_this(Event(photo=str(green.id)), False, session))
        shown = after(search.searched("- red", False, session))
        assert session.query == f"photo:{green.id} - red"
        assert "unlike" in shown.chip
        assert session.history == []
        shown = after(picture_search.unliked(False, session))
        assert (session.query, shown.chip) == ("- red", "")

    @pytest.mark.parametrize("typed", ["photo:{} + sky", "photo:{} sky", " PHOTO:{}  +  sky "])
    def test_a_photo_that_is_named_by_its_number_is_a_picture_in_the_box(
        self, search: Search, session: Session, library: Library, typed: str
    ) -> None:
        green = list_photos(library, session.gallery or 0)[1]
        shown = after(search.searched(typed.format(green.id), False, session))
        assert shown.query.strip() == "sky"
        assert f"photo/{green.id}/grid" in shown.chip

    @pytest.mark.parametrize("photo", ["", "none", "9" * 30])
    def test_more_like_a_photo_that_is_not_there_is_a_sentence(
        self, picture_search: PictureSearch, session: Session, photo: str
    ) -> None:
        shown = after(picture_search.more_like_this(Event(photo=photo), False, session))
        assert "not there any more" in shown.grid

    def test_a_picture_is_searched_with_and_not_kept(
        self,
        picture_search: PictureSearch,
        session: Session,
        library: Library,
        tmp_path: Path,
        png: Callable[..., bytes],
    ) -> None:
        file = tmp_path / "mine.png"
        file.write_bytes(png("green"))
        before = summarize_gallery(library, session.gallery or 0).macs_pictures
        shown = after(picture_search.picture_given(str(file), False, session))
        assert (shown.picture, shown.query) == (None, "")
        assert "data:image/jpeg;base64," in shown.chip
        assert "one full encoding" in shown.answer
        assert summarize_gallery(library, session.gallery or 0).macs_pictures == before + library.encoder.full_macs
        assert "green square" in shown.grid
        assert not file.exists()
        file.write_text("a letter")
        assert "That did not work" in after(picture_search.picture_given(str(file), False, session)).grid

    def test_a_second_picture_is_not_answered_with_the_ranking_of_the_first(
        self, picture_search: PictureSearch, session: Session, tmp_path: Path, png: Callable[..., bytes]
    ) -> None:
        answers = []
        for colour in ("red", "blue"):
            file = tmp_path / f"my-{colour}.png"
            file.write_bytes(png(colour))
            answers.append(picture_search.picture_given(str(file), True, session))
            next(answers[-1])
        of_the_first, of_the_second = map(list, answers)
        assert of_the_first == []
        assert "answer" in vars(after(of_the_second))
        assert session.hits[0].photo.file == "blue-square.png"

    def test_without_words_the_gallerys_photos_are_shown(self, search: Search, session: Session) -> None:
        assert after(search.searched("  ", True, session)).grid.count('class="hit"') == 3

    @pytest.mark.parametrize("text", ["\x00", "\ud800".encode("utf-8", "replace").decode(), "<b>", "🦦", "- red"])
    def test_any_text_is_a_query(self, search: Search, session: Session, text: str) -> None:
        assert "data-photo" in after(search.searched(text, False, session)).grid

    @pytest.mark.parametrize("text", ["x" * 100_000, "a + b" * 90, "99:red"])
    def test_what_is_too_much_is_a_sentence(self, search: Search, session: Session, text: str) -> None:
        assert "That did not work" in after(search.searched(text, True, session)).grid

    def test_a_gallery_that_is_gone_is_a_sentence(self, search: Search) -> None:
        assert "not there any more" in after(search.searched("red", True, Session(gallery=999))).grid

    def test_a_gallery_of_another_model_is_a_sentence_not_a_wrong_strip(
        self, search: Search, galleries: Galleries, fake_encoder: FakeEncoder, holidays: int
    ) -> None:
        fake_encoder.identity = replace(fake_encoder.identity, weights="c" * 64)
        assert "That did not work" in after(search.searched("red", True, Session(gallery=holidays))).grid
        told = after(galleries.overview(0.75, "", Session(gallery=holidays)))
        assert "That did not work" in told.figures
        assert "encode its photos again" in told.figures
        assert told.histogram == told.curve == told.budget_preview == ""

    def test_a_gallery_with_other_exits_is_a_sentence_too(
        self, galleries: Galleries, services: Services, library: Library, holidays: int
    ) -> None:
        stages = library.encoder.stages[:2]
        encoder: Any = library.encoder
        encoder.exits, encoder.exit_macs, encoder.stages = 1, (100,), (*stages, replace(stages[1], exit=1))
        encoder.identity = replace(encoder.identity, exits="")
        session = Session(gallery=holidays)
        assert "That did not work" in after(galleries.overview(0.75, "", session)).figures
        assert "That did not work" in after(Present(services, PARTS).presented(Event(), session)).screens

    def test_a_link_reopens_a_query_where_strangers_may(
        self, search: Search, session: Session, library: Library, holidays: int
    ) -> None:
        assert 'data-share="?q=red+%2B+blue"' in after(search.searched("red + blue", False, session)).answer
        mine = Session(gallery=holidays)
        assert "data-share" not in after(search.searched("red", False, mine)).answer
        link = publish_gallery(library, holidays, True)
        assert f"?gallery={link}&amp;q=red" in after(search.searched("red", False, mine)).answer


class TestGalleries:
    def test_who_comes_for_a_gallery_that_is_not_there_is_told_what_to_do(
        self, galleries: Galleries, demo: Demo, library: Library, holidays: int
    ) -> None:
        shown = after(galleries.opened(None, False, Session(), Request({"gallery": "no-such-link"})))
        assert "Ask for a new link" in shown.notice
        assert "3 photos" in shown.headline
        left = {"gallery": holidays}
        assert not hasattr(after(galleries.opened(left, False, Session(), Request())), "notice")
        delete_gallery(library, holidays)
        assert "choose another one" in after(galleries.opened(left, False, Session(), Request())).notice

    def test_the_first_visit_is_answered_already(self, galleries: Galleries, demo: Demo) -> None:
        shown = after(galleries.opened(None, False, Session(), Request()))
        assert shown.gallery["choices"] == [("Demo gallery · 3", shown.gallery["value"])]
        assert not hasattr(shown, "query"), "it stands in the box, unless the visitor has typed"
        assert not shown.timer["active"]
        assert shown.browser["gallery"] == demo.id
        assert "<b>3 photos</b>" in shown.headline
        assert 'data-query="something red"' in shown.suggestions
        assert "red-square.png" in shown.panel

    def test_a_second_answer_leaves_what_is_typed_meanwhile(self, galleries: Galleries, demo: Demo) -> None:
        first, second = galleries.opened(None, True, Session(), Request({"q": "blue"}))
        assert after(first).query == "blue"
        assert not hasattr(after(second), "query")

    def test_an_address_reopens_a_query_and_a_published_gallery(
        self, galleries: Galleries, library: Library, holidays: int
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
        self, galleries: Galleries, library: Library, holidays: int, demo: Demo
    ) -> None:
        shown = after(galleries.opened({"gallery": holidays}, False, Session(), Request()))
        assert shown.gallery["value"] == holidays
        delete_gallery(library, holidays)
        shown = after(galleries.opened({"gallery": holidays}, False, Session(), Request()))
        assert shown.gallery["value"] == demo.id
        for odd in (
            "text",
            {"gallery": "x", "links": [{}]},
            {"gallery": None},
            {"gallery": [holidays], "links": ["\0", "\ud800", "ü", ["a"], None]},
            {"gallery": {"a": 1}},
        ):
            assert after(galleries.opened(odd, False, Session(), Request())).gallery["value"] == demo.id

    def test_before_the_demo_gallery_is_ready_its_progress_is_shown(
        self, database: Database, library: Library, folder: Path, pictures: Pictures
    ) -> None:
        services = Services(library, Comparison(library), Demo(library, folder), pictures.address)
        galleries = Galleries(services, PARTS, Search(services, PARTS))
        session = Session()
        shown = after(galleries.opened(None, True, session, Request()))
        assert shown.timer["active"]
        assert "Encoding the demo gallery" in shown.grid
        assert "Encoding the demo gallery" in after(galleries.waited(True, session)).grid
        services.demo.start().join()
        assert "red square" in after(galleries.waited(True, session)).grid

    def test_a_query_of_the_address_is_answered_when_the_demo_gallery_is_ready(
        self, database: Database, library: Library, folder: Path, pictures: Pictures
    ) -> None:
        services = Services(library, Comparison(library), Demo(library, folder), pictures.address)
        galleries, session = Galleries(services, PARTS, Search(services, PARTS)), Session()
        assert after(galleries.opened(None, False, session, Request({"q": "blue"}))).query == "blue"
        services.demo.start().join()
        shown = after(galleries.waited(False, session))
        assert shown.query == "blue"
        assert "blue square" in shown.grid

    def test_a_second_that_is_counted_late_leaves_the_visitors_answer_alone(
        self, database: Database, library: Library, folder: Path, pictures: Pictures
    ) -> None:
        services = Services(library, Comparison(library), Demo(library, folder), pictures.address)
        search, session = Search(services, PARTS), Session()
        galleries = Galleries(services, PARTS, search)
        after(galleries.opened(None, False, session, Request()))
        services.demo.start().join()
        after(galleries.waited(False, session))
        after(search.searched("blue", True, session))
        deepened = dict(session.deepened)
        late = after(galleries.waited(True, session))
        assert vars(late).keys() == {"timer"}
        assert not late.timer["active"]
        assert session.deepened == deepened

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
        galleries = Galleries(services, PARTS, Search(services, PARTS))
        shown = after(galleries.opened(None, True, Session(), Request()))
        assert not shown.timer["active"]
        assert "That did not work" in shown.grid

    def test_a_page_that_was_open_before_the_demo_was_renewed_goes_on_to_the_new_one(
        self, database: Database, folder: Path, demo: Demo, pictures: Pictures
    ) -> None:
        newer = FakeEncoder()
        newer.identity = replace(newer.identity, weights="c" * 64)
        library = Library.over(database, lambda: newer)
        again = Demo(library, folder)
        again.start().join()
        services = Services(library, Comparison(library), again, pictures.address)
        galleries = Galleries(services, PARTS, Search(services, PARTS))
        shown = after(galleries.waited(False, Session(gallery=demo.id)))
        assert shown.gallery["value"] == again.id
        assert 'data-query="something red"' in shown.answer
        assert not shown.timer["active"]

    def test_a_gallery_is_picked(self, galleries: Galleries, holidays: int, session: Session) -> None:
        shown = after(galleries.picked(holidays, False, session))
        assert (shown.query, shown.add_to, shown.browser["gallery"]) == ("", "Holidays", holidays)
        assert shown.grid.count('class="hit"') == 2
        assert "not there any more" in after(galleries.picked(999, False, session)).grid

    def test_a_name_that_was_typed_stays_when_another_gallery_is_picked(
        self, galleries: Galleries, services: Services, search: Search, holidays: int, session: Session
    ) -> None:
        AddPhotos(services, PARTS, search, galleries).named(session)
        assert not hasattr(after(galleries.picked(holidays, False, session)), "add_to")
        assert not hasattr(after(galleries.picked(999, False, session)), "add_to")

    def test_a_gallery_as_a_whole(self, galleries: Galleries, holidays: int) -> None:
        whole = after(galleries.overview(0.75, "", Session(gallery=holidays)))
        assert "60 %" in whole.figures
        assert "Where photos leave" in whole.histogram
        assert whole.histogram.count("<img") == 2
        assert "Nobody has measured" in whole.curve
        assert "60 %" in whole.budget_preview

    def test_what_a_gallery_is_set_to_is_drawn_when_it_comes_on_show(
        self, galleries: Galleries, holidays: int, demo: Demo, session: Session
    ) -> None:
        settings = after(galleries.settings(holidays, session))
        assert (settings.budget, settings.rename["value"]) == (0.75, "Holidays")
        assert settings.delete["visible"]
        assert not after(galleries.settings(demo.id, session)).delete["visible"]
        assert not vars(after(galleries.settings(999, session)))

    def test_another_budget_says_what_it_would_run_before_it_does(
        self, galleries: Galleries, services: Services, library: Library, holidays: int
    ) -> None:
        session = Session(gallery=holidays)
        told = after(galleries.budget_preview(1.0, "", session))
        assert "This raises its cost: 2 photos run deeper" in plain(re.sub(r"</?b>", "", told.budget_preview))
        assert told.apply == "Run 2 photos deeper"
        list(Budget(services, PARTS).applied(1.0, "", session))
        assert "costs nothing" in after(galleries.budget_preview(0.2, None, session)).budget_preview
        assert after(galleries.budget_preview(0.2, "a rose", session)).apply == "Encode all photos anew"

    def test_a_preset_moves_the_slider(self, galleries: Galleries) -> None:
        assert after(galleries.preset_chosen(Event(budget="0.9"))).budget == 0.9
        assert not vars(after(galleries.preset_chosen(Event(budget="7"))))

    def test_an_empty_gallery_says_what_to_do(self, galleries: Galleries, library: Library) -> None:
        empty = Session(gallery=open_gallery(library, "Empty"))
        assert "Add photos" in after(galleries.overview(0.75, "", empty)).figures
        assert "Add photos first" in after(galleries.picked(empty.gallery or 0, True, empty)).grid

    def test_a_gallery_is_renamed_published_and_deleted(
        self, galleries: Galleries, holidays: int, library: Library, demo: Demo
    ) -> None:
        mine = Session(gallery=holidays)
        shown = after(galleries.renamed("  Sea\n<b> ", mine))
        choice, done = shown.gallery, shown.renamed
        assert ("Sea <b> · 2", holidays) in choice["choices"]
        assert "<b>" not in done
        assert "needs a name" in after(galleries.renamed("  ", mine)).renamed
        assert "data-link" in after(galleries.published(True, mine)).link
        assert "Only you" in after(galleries.published(False, mine)).link
        shown = after(galleries.deleted(False, mine))
        assert shown.gallery["value"] == mine.gallery == demo.id
        assert shown.tabs["selected"] == "results"
        assert shown.query == "something red"
        assert [summary.kind for summary in list_galleries(library)] == ["demo"]

    def test_a_name_keeps_its_signs(self, galleries: Galleries, holidays: int, library: Library) -> None:
        name = "Bavaria / Tyrol <2026>"
        done = after(galleries.renamed(f" {name}\u202e\n", Session(gallery=holidays))).renamed
        assert summarize_gallery(library, holidays).name == name
        assert "Bavaria / Tyrol &lt;2026&gt;" in done

    def test_photos_are_deleted_from_ones_own_gallery_only(
        self, galleries: Galleries, session: Session, library: Library, holidays: int
    ) -> None:
        demo = list_photos(library, session.gallery or 0)
        assert "stays as it is" in after(galleries.photos_deleted(Event(photos=str(demo[0].id)), session)).grid
        first, second = list_photos(library, holidays)
        mine = Session(gallery=holidays)
        for odd in ("x", "9" * 30):
            assert "not there any more" in after(galleries.photos_deleted(Event(photos=odd), mine)).grid
        shown = after(galleries.photos_deleted(Event(photos=f"{first.id} {demo[1].id}"), mine))
        assert ("Holidays · 1", holidays) in shown.gallery["choices"]
        assert "1 photo deleted" in shown.answer
        assert [photo.id for photo in list_photos(library, holidays)] == [second.id]
        assert len(list_photos(library, session.gallery or 0)) == len(demo), "a photo of another gallery stays"
        emptied = after(galleries.photos_deleted(Event(photos=str(second.id)), mine))
        assert "1 photo deleted" in emptied.answer
        assert "Add photos first" in emptied.grid

    def test_several_can_be_picked_everywhere_and_deleted_in_ones_own_gallery_only(
        self, search: Search, session: Session, holidays: int
    ) -> None:
        for text in ("red", ""):
            foreign = after(search.searched(text, False, session)).answer
            own = after(search.searched(text, False, Session(gallery=holidays))).answer
            assert ('data-event="zip"' in foreign, 'data-event="discard"' in foreign) == (True, False)
            assert ('data-event="zip"' in own, 'data-event="discard"' in own) == (True, True)

    def test_what_a_query_changed_is_drawn_where_it_is_on_show(self, galleries: Galleries, holidays: int) -> None:
        mine = Session(gallery=holidays)
        assert not vars(after(galleries.overview_if_open(0.75, "", mine)))
        mine.tab = "Gallery"
        assert "60 %" in after(galleries.overview_if_open(0.75, "", mine)).figures

    def test_a_gallery_is_leafed_through_when_nothing_is_asked(
        self, search: Search, library: Library, upload: Callable[..., Upload]
    ) -> None:
        gallery = open_gallery(library, "Many")
        ingest_files(library, gallery, [upload(f"{i}.png", (i, 2, 3)) for i in range(30)])
        mine = Session(gallery=gallery)
        shown = after(search.searched("", True, mine))
        assert (shown.grid.count('class="hit"'), "Show 6 more" in shown.grid) == (24, True)
        grid = after(search.more(mine)).grid
        assert (grid.count('class="hit"'), "more" in grid) == (30, False)

    def test_the_demo_gallery_stays_as_it_is(self, galleries: Galleries, session: Session, library: Library) -> None:
        assert "stays as it is" in after(galleries.renamed("Mine", session)).renamed
        assert "stays as it is" in after(galleries.deleted(False, session)).grid
        assert "stays as it is" in after(galleries.published(True, session)).link
        assert summarize_gallery(library, session.gallery or 0).photos == 3


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
        assert access.open_link(link or "", stranger) == holidays
        assert access.photo(photo.id, stranger).file == "r.png"
        with pytest.raises(NotYours):
            access.own(holidays, stranger)
        publish_gallery(library, holidays, False)
        with pytest.raises(GalleryMissing):
            access.gallery(holidays, stranger)


class TestSelection:
    @pytest.fixture
    def selection(self, services: Services, search: Search) -> Selection:
        return Selection(services, PARTS, search)

    def test_a_photo_is_selected(self, selection: Selection, library: Library, session: Session) -> None:
        photo = list_photos(library, session.gallery or 0)[0]
        html = after(selection.selected(Event(photo=str(photo.id)), session)).panel
        assert photo.file in html
        assert "gate 1.00" in html  # the gate of the photo's own budget
        assert session.photo == photo.id
        for gone in ("999", "x", "", "9" * 30):
            assert "search again" in after(selection.selected(Event(photo=gone), session)).panel

    def test_how_the_query_fits_is_told_for_every_exit(
        self, selection: Selection, search: Search, session: Session
    ) -> None:
        list(search.searched("red", False, session))
        assert after(selection.explained(session)).panel.count("--part") >= 3
        session.ask("")
        assert "Search for something first" in after(selection.explained(session)).panel

    def test_full_depth_says_whether_the_ranking_changed(
        self, selection: Selection, search: Search, session: Session, library: Library
    ) -> None:
        list(search.searched("red", False, session))
        html = after(selection.deepened(session)).panel
        assert "The ranking did not change: </b>still at rank 1" in html.replace("change:</b> ", "change: </b>")
        assert "exit 3 of 3" in html
        assert "only you see this" in html
        assert get_photo(library, session.photo or 0).exit == 1, "the demo gallery’s index stays as it is"

    def test_full_depth_is_seen_in_the_ranking_at_once(
        self, selection: Selection, search: Search, session: Session
    ) -> None:
        grid = after(search.searched("red", False, session)).grid
        assert 'data-share="1.0000"' not in grid
        grid = after(selection.deepened(session)).grid
        assert 'data-share="1.0000"' in grid
        assert grid.count(" new") == 2, "from exit 1 on"
        assert 'data-share="1.0000"' not in after(search.searched("red", False, session)).grid

    @pytest.mark.parametrize("act", ["deepened", "explained"])
    def test_what_was_asked_meanwhile_stays_on_show(
        self, selection: Selection, search: Search, session: Session, monkeypatch: pytest.MonkeyPatch, act: str
    ) -> None:
        list(search.searched("red", False, session))
        name = {"deepened": "run_to_full_depth", "explained": "explain_photo"}[act]
        run = getattr(photo_module, name)

        def slow(*args: Any, **options: Any) -> Any:
            list(search.searched("blue", False, session))
            return run(*args, **options)

        monkeypatch.setattr(photo_module, name, slow)
        assert not vars(after(getattr(selection, act)(session)))
        assert session.hits[0].photo.file == "blue-square.png"

    def test_a_photo_of_a_model_without_exits_has_a_panel(
        self, database: Database, folder: Path, fake_encoder: FakeEncoder, pictures: Pictures
    ) -> None:
        stages = tuple(replace(s, exit=1 if s.exit == fake_encoder.exits else None) for s in fake_encoder.stages)
        full = FakeEncoder(exits=1, exit_macs=(100,), stages=stages)
        library = Library.over(database, lambda: full)
        demo = Demo(library, folder)
        demo.start().join()
        services = Services(library, Comparison(library), demo, pictures.address)
        session = Session(gallery=demo.id)
        shown = after(Search(services, PARTS).searched("red", True, session))
        assert "went all the way" in shown.panel
        assert "at full depth: this model has no exit modules yet" in shown.headline
        galleries = Galleries(services, PARTS, Search(services, PARTS))
        assert "Where photos leave" in after(galleries.overview(0.75, "", session)).histogram


@pytest.mark.parametrize("data", [None, {}, {"photo": [], "photos": {"a": 1}, "query": None}, []])
def test_an_event_that_was_made_by_hand_is_a_sentence(services: Services, holidays: int, data: object) -> None:
    event, mine = gr.EventData(None, data), Session(gallery=holidays)
    search = Search(services, PARTS)
    assert "search again" in after(Selection(services, PARTS, search).selected(event, mine)).panel
    assert after(search.suggestion_chosen(event, False, mine)).grid
    assert after(Galleries(services, PARTS, search).photos_deleted(event, mine)).grid
    assert summarize_gallery(services.library, holidays).photos == 2


class TestCompare:
    @pytest.fixture
    def compare(self, services: Services) -> Compare:
        return Compare(services, PARTS)

    def test_both_rankings_stand_side_by_side_after_a_race(
        self, compare: Compare, search: Search, session: Session
    ) -> None:
        list(search.searched("red", False, session))
        shown = after(compare.shown(session))
        assert shown.race == "", "what ships is of another model"
        assert "3 of 3" in shown.rankings
        shown = after(compare.raced(session))
        assert "measured" in shown.race
        assert "3 of 3" in shown.rankings
        assert not shown.stop_race["visible"]
        session.ask("")
        assert "Ask something" in after(compare.shown(session)).rankings

    def test_a_query_is_compared_where_that_is_on_show_and_nothing_is_loaded_twice(
        self, compare: Compare, search: Search, session: Session, services: Services, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        list(compare.raced(session))
        list(search.searched("red", False, session))
        loaded: list[str] = []
        for part, name in ((services.comparison, "full_run"), (access_module, "summarize_gallery")):
            load = getattr(part, name)
            monkeypatch.setattr(part, name, lambda *args, name=name, load=load: loaded.append(name) or load(*args))
        assert not vars(after(compare.shown_if_open(session)))
        assert loaded == []
        session.tab = COMPARE
        assert "3 of 3" in after(compare.shown_if_open(session)).rankings
        assert sorted(loaded) == ["full_run", "summarize_gallery"]

    def test_the_shipped_measurement_is_shown_of_its_own_model_until_this_machine_has_measured(
        self, compare: Compare, session: Session, services: Services, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shipped = replace(shipped_race(), weights=services.library.encoder.identity.weights)
        monkeypatch.setattr(services_module, "shipped_race", lambda: shipped)
        assert "Shipped measurement" in after(compare.shown(session)).race
        list(compare.raced(session))
        assert "on this machine" in after(compare.shown(session)).race

    def test_another_gallery_is_compared_when_it_has_raced(self, compare: Compare, holidays: int) -> None:
        shown = after(compare.shown(Session(gallery=holidays)))
        assert shown.race == ""
        assert "both" in shown.rankings

    def test_an_empty_gallery_has_nothing_to_compare(self, compare: Compare, library: Library) -> None:
        empty = Session(gallery=open_gallery(library, "Empty"))
        assert "Add photos first" in after(compare.shown(empty)).race
        assert "add some first" in after(compare.raced(empty)).race


class TestPresent:
    @pytest.fixture
    def present(self, services: Services) -> Present:
        return Present(services, PARTS)

    def test_what_was_not_measured_here_is_the_shipped_measurement_and_named_so(
        self, present: Present, search: Search, session: Session, services: Services
    ) -> None:
        list(search.searched("red", False, session))
        shown = after(present.presented(Event(), session)).screens
        assert "Shipped measurement of" in shown
        assert shipped_race().machine in shown
        list(Compare(services, PARTS).raced(session))
        assert "on this machine" in after(present.presented(Event(screen="4"), session)).screens

    def test_a_gallery_with_too_little_in_it_leaves_the_stage_to_the_demos(
        self, present: Present, library: Library
    ) -> None:
        shown = after(present.presented(Event(), Session(gallery=open_gallery(library, "Empty")))).screens
        assert "Demo gallery" in shown
        assert "red square" in shown


class TestBudget:
    def test_another_budget_is_applied(self, services: Services, library: Library, holidays: int) -> None:
        shown = after(Budget(services, PARTS).applied(1.0, "", Session(gallery=holidays)))
        assert "at a budget of 100 % now" in shown.applied
        assert not shown.stop_apply["visible"]
        assert summarize_gallery(library, holidays).exits == (0, 0, 2)

    def test_what_people_will_look_for_is_remembered_until_it_is_taken_back(
        self, services: Services, galleries: Galleries, library: Library, holidays: int
    ) -> None:
        session = Session(gallery=holidays)
        account = after(Budget(services, PARTS).applied(0.75, " a kite \n\n# sky\na kite\na boat", session)).applied
        assert "Every photo is at a budget of 75 % now" in account
        assert summarize_gallery(library, holidays).phrases == ("a kite", "a boat")
        assert after(galleries.settings(holidays, session)).looked_for == "a kite\na boat"
        many = "\n".join(map(str, range(MOST_TYPED + 1)))
        assert f"name {MOST_TYPED} at most" in after(Budget(services, PARTS).applied(0.75, many, session)).applied
        long = "a kite " * 30
        assert "say it in a few words" in after(Budget(services, PARTS).applied(0.75, long, session)).applied
        assert summarize_gallery(library, holidays).phrases == ("a kite", "a boat"), "what is refused changes nothing"
        list(Budget(services, PARTS).applied(0.75, "", session))
        assert summarize_gallery(library, holidays).phrases == ()
        assert after(galleries.settings(holidays, session)).looked_for == ""

    def test_a_files_many_phrases_stay_as_they_are_when_the_budget_alone_is_changed(
        self, services: Services, galleries: Galleries, library: Library, holidays: int
    ) -> None:
        of_a_file = tuple(f"a kite of {n}" for n in range(MOST_TYPED + 1))
        reencode_gallery(library, holidays, phrases=of_a_file)
        session = Session(gallery=holidays)
        shown = after(galleries.settings(holidays, session)).looked_for
        account = after(Budget(services, PARTS).applied(1.0, shown, session)).applied
        assert "at a budget of 100 % now" in account
        assert summarize_gallery(library, holidays).phrases == of_a_file

    def test_a_photo_whose_kept_picture_is_gone_is_named(
        self, services: Services, library: Library, holidays: int
    ) -> None:
        gone = list_photos(library, holidays)[0]
        library.picture_path(gone.content_hash).unlink()
        account = after(Budget(services, PARTS).applied(1.0, "", Session(gallery=holidays))).applied
        assert "All other photos are" in account
        assert f"{gone.file}</span><span>its kept picture is gone" in account

    def test_a_gallery_that_is_gone_is_a_sentence(self, services: Services) -> None:
        assert "That did not work" in after(Budget(services, PARTS).applied(0.5, "", Session(gallery=999))).applied

    def test_apply_that_is_refused_leaves_the_one_before_it_its_button(
        self, services: Services, holidays: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> NoReturn:
            raise TooMuch("One at a time.")

        budget, session = Budget(services, PARTS), Session(gallery=holidays)
        with services.access.work(session), services.access.work(session):  # all others wait in line
            applying = budget.applied(1.0, "", session)
            next(applying)
            next(applying)
            monkeypatch.setattr(budget, "_encode", refuse)
            shown = after(budget.applied(0.5, "", session))
            assert "One at a time." in shown.applied
            assert shown.stop_apply["visible"], "what is under way can still be stopped"
            budget.stopped(session)
            shown = after(applying)
        assert "Stopped" in shown.applied
        assert not shown.stop_apply["visible"]


class TestAddPhotos:
    @pytest.fixture
    def add_photos(self, services: Services, search: Search, galleries: Galleries) -> AddPhotos:
        return AddPhotos(services, PARTS, search, galleries)

    @pytest.fixture
    def dropped(self, tmp_path: Path, png: Callable[..., bytes]) -> Callable[..., list[str]]:
        """Makes files in what stands for the folder that files arrive in."""

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

    @pytest.fixture
    def add(
        self, add_photos: AddPhotos, services: Services, session: Session, dropped: Callable[..., list[str]]
    ) -> Callable[..., Iterator[Updates]]:
        """Drops files into a gallery; what is told of them until it is over."""

        def begin(name: str, **contents: str | bytes) -> Iterator[Updates]:
            return uploaded(add_photos, services, dropped(**contents), name, session)

        return begin

    def test_the_name_of_a_gallery_that_is_made_keeps_its_signs(
        self, add: Callable[..., Iterator[Updates]], session: Session
    ) -> None:
        shown = after(add("Bavaria / <Tyrol>", red="red"))
        assert "“Bavaria / &lt;Tyrol&gt;”" in shown.report
        assert ("Bavaria / <Tyrol> · 1", session.gallery) in shown.gallery["choices"]

    def test_good_files_are_stored_and_bad_ones_named(self, add: Callable[..., Iterator[Updates]]) -> None:
        shown = after(add("Holidays", yellow="yellow", text=b"hello", empty=b"", green="green"))
        account, choice = shown.report, shown.gallery
        assert "2</b> photos added to “Holidays”" in account
        assert "text</span>" in account
        assert "empty</span>" in account
        assert not shown.stop_upload["visible"]
        assert ("Holidays · 2", choice["value"]) in choice["choices"]
        assert (shown.query, shown.browser["gallery"]) == ("", choice["value"])
        assert "<b>2 photos</b>" in shown.headline
        assert shown.grid.count('class="hit"') == 2

    def test_bad_files_alone_leave_no_gallery_behind_and_the_visitor_where_they_were(
        self, add: Callable[..., Iterator[Updates]], session: Session, library: Library
    ) -> None:
        before = session.gallery
        shown = after(add("Holidays", letter=b"Dear Sir", other=b"Dear Madam"))
        assert "No photo was added to “Holidays”" in shown.report
        assert "2 files were left out" in shown.report
        assert find_gallery(library, "Holidays") is None
        assert session.gallery == before

    def test_the_same_photos_again_are_no_new_photos(self, add: Callable[..., Iterator[Updates]]) -> None:
        list(add("Holidays", red="red"))
        account = after(add("Holidays", red="red", blue="blue")).report
        assert "1</b> photo added" in account
        assert "1 was here already" in account

    def test_who_has_gone_on_to_something_else_is_not_taken_away_from_it(
        self, add: Callable[..., Iterator[Updates]], session: Session
    ) -> None:
        telling, before = add("Holidays", red="red"), session.gallery
        session.ask("blue")
        shown = after(telling)
        assert "1</b> photo added" in shown.report
        assert (session.gallery, session.words) == (before, "blue")
        assert not hasattr(shown, "grid")

    def test_stop_keeps_what_is_done_and_names_the_rest(
        self,
        add: Callable[..., Iterator[Updates]],
        add_photos: AddPhotos,
        session: Session,
        services: Services,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        tell = Incoming.tell

        def stop_after_a_group(incoming: Incoming, now: Any) -> None:
            tell(incoming, now)
            if incoming.done:
                add_photos.stopped(session)

        monkeypatch.setattr(Incoming, "tell", stop_after_a_group)
        events = add("Holidays", letter=b"Dear Sir", **{f"p{i}": (i, 2, 3) for i in range(100)})  # four groups
        (incoming,) = services.inbox.unread(None)
        report = after(events).report
        kept = summarize_gallery(services.library, incoming.gallery).photos
        assert 31 <= kept < 100
        assert (kept + 1) % 32 == 0, "whole groups, the first with a file that is no picture"
        assert f"{kept}</b> photos added to “Holidays”" in report
        assert f"{101 - kept - 1} files were not taken in when you stopped it" in report
        assert "<span>letter</span>" in report, "bad files until then are named"

    def test_a_race_that_goes_on_is_not_stopped_by_the_uploads_button(
        self, add: Callable[..., Iterator[Updates]], add_photos: AddPhotos, session: Session, services: Services
    ) -> None:
        compare = Compare(services, PARTS)
        with services.access.work(session), services.access.work(session):  # both wait in line
            uploading, racing = add("Holidays", red="red"), compare.raced(session)
            for begun in (uploading, racing):
                next(begun)
                next(begun)
            add_photos.stopped(session)
            assert "No photo was added" in after(uploading).report
            compare.stopped(session)
            assert "Stopped" in after(racing).race

    def test_nothing_stays_in_the_folder_that_files_arrive_in(
        self, add: Callable[..., Iterator[Updates]], tmp_path: Path
    ) -> None:
        account = after(add("", red="red", same="red", text=b"hello")).report
        assert "1</b> photo added" in account
        assert "1 was here already" in account
        assert not (tmp_path / "cache").exists()
        assert not list(home().glob("incoming-*"))

    def test_a_full_disk_is_a_sentence_and_nothing_stays(
        self, add: Callable[..., Iterator[Updates]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("shutil.move", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
        shown = after(add("Holidays", red="red"))
        assert "No space left on device" in shown.report
        assert not shown.stop_upload["visible"]
        assert not (tmp_path / "cache").exists()

    def test_what_a_killed_upload_left_behind_is_forgotten_after_a_day(self) -> None:
        old, recent = home() / "incoming-old", home() / "incoming-recent"
        for folder in (old, recent):
            folder.mkdir()
            (folder / "0").write_bytes(b"an original")
        os.utime(old, (0, 0))
        forget_interrupted(home())
        assert not old.exists()
        assert recent.exists()

    def test_an_ingest_that_fails_says_so_to_the_visitor(
        self, add: Callable[..., Iterator[Updates]], fake_encoder: FakeEncoder
    ) -> None:
        list(add("Holidays", red="red"))
        fake_encoder.identity = replace(fake_encoder.identity, weights="c" * 64)
        account = after(add("Holidays", blue="blue")).report
        assert "It ended early" in account
        assert "encode its photos again" in account

    def test_an_ingest_goes_on_when_the_visitor_leaves(
        self, add: Callable[..., Iterator[Updates]], library: Library
    ) -> None:
        events = add("Holidays", red="red", blue="blue")
        next(events)
        events.close()  # type: ignore[attr-defined]
        for thread in threading.enumerate():
            if thread.name == "intake":
                thread.join(10)
        gallery = find_gallery(library, "Holidays")
        assert gallery is not None
        assert summarize_gallery(library, gallery).photos == 2

    def test_what_did_not_arrive_is_named_after_a_reload_and_need_alone_be_sent_again(
        self,
        add_photos: AddPhotos,
        services: Services,
        session: Session,
        dropped: Callable[..., list[str]],
    ) -> None:
        files = dropped(red="red", letter=b"Dear Sir", blue="blue", green="green")
        telling, incoming = announced(add_photos, services, files, "Holidays", session)
        assert incoming is not None
        lines = incoming.files
        incoming.put({number: Path(files[number]) for number in (0, 1)})
        next(telling)
        incoming.leave()  # the page is loaded again
        again = Session(gallery=session.gallery)
        told = after(add_photos.resumed(again))
        assert told.add_to == "Holidays"
        assert "1</b> photo added" in told.report
        assert "2 files had not arrived" in told.report
        assert "<span>blue</span>" in told.report
        assert "<span>green</span>" in told.report
        assert "2 files had not arrived" in told.arriving

        events = add_photos.begun(Event(nonce="m", files="\n".join(lines)), "Holidays", again)
        next(events)
        second = services.inbox.unread(None)[0]
        assert second.settled() == [0, 1]
        second.put({2: Path(files[2]), 3: Path(files[3])})
        report = after(events).report
        assert "2</b> photos added" in report
        assert "1 file was left out" in report, "the bad file is still named, though it was not sent again"
        assert "had not arrived" not in report, "the account before it is settled by this one"
        assert after(add_photos.dismissed(again)).report == ""
        assert list(add_photos.resumed(again)) == []

    def test_an_upload_that_is_refused_leaves_no_gallery(
        self, add_photos: AddPhotos, library: Library, session: Session
    ) -> None:
        many = "\n".join(f"1/2/{number}.jpg" for number in range(MOST_FILES + 1))
        told = after(add_photos.begun(Event(nonce="n", files=many), "Too many", session))
        assert "2000 files" in told.report
        assert find_gallery(library, "Too many") is None

    def test_a_folder_of_this_machine_is_taken_in_by_its_owner_only(
        self, add_photos: AddPhotos, folder: Path, session: Session, library: Library, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def said(place: object) -> str:
            return str(after(add_photos.from_folder(str(place), "Colours", session)).report)

        assert "3</b> photos added to “Colours”" in said(folder)
        assert "is not a folder" in said(folder / "none")
        for nowhere in ("nul\0inside", "~nobody-of-that-name/photos", " "):
            assert "That did not work" in said(nowhere)
        (folder / "empty").mkdir()
        assert "no picture in that folder" in said(folder / "empty")
        monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
        assert "only on the machine itself" in said(folder)
