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

from app.access import Access, NotYours
from app.context import Context
from app.demo import Demo
from app.handlers.budget import Budget
from app.handlers.comparison import Compare
from app.handlers.galleries import Galleries
from app.handlers.intake import Intake
from app.handlers.photo import Selection
from app.handlers.search import COMPARE, Found, Search, unchanged
from app.pictures import Pictures
from app.visit import Visit
from engine.exits.text_bank import MOST_TYPED
from engine.gallery import Catalog, GuideTexts, Upload
from engine.gallery.comparison import Comparison
from engine.gallery.quotas import TooMuch, Visitors
from engine.search import refine as refine_module
from engine.storage.store import GalleryMissing, PhotoMissing, Store
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
def search(context: Context) -> Search:
    return Search(context)


@pytest.fixture
def galleries(context: Context, search: Search) -> Galleries:
    return Galleries(context, search)


@pytest.fixture
def holidays(catalog: Catalog, upload: MakeUpload) -> int:
    gallery = catalog.open_collection("Holidays")
    catalog.ingest(gallery, [upload("r.png", "red"), upload("y.png", "yellow")])
    return gallery


def last(events: Iterator[Any]) -> Any:
    *_, found = events
    return found


def found(events: Iterator[Any]) -> Found:
    return Found(*last(events)[-len(Found._fields) :])


class TestSearch:
    def test_words_find_photos_at_once_and_then_the_doubtful_are_looked_at_again(
        self, search: Search, visit: Visit
    ) -> None:
        first, refined = search.searched("blue", True, visit)
        assert "Looking again" in first.answer
        assert first.grid.index("blue square") < first.grid.index("relevance falls off")
        assert "blue-square.png" in first.panel
        assert "looked at again" in refined.answer

    def test_without_refining_there_is_one_answer(self, search: Search, visit: Visit) -> None:
        (only,) = search.searched("blue", False, visit)
        assert "blue square" in only.grid

    def test_an_account_of_queries_runs_in_the_headline(self, search: Search, visit: Visit, catalog: Catalog) -> None:
        before = found(search.searched("red + green", False, visit)).headline
        after = found(search.searched("red + green", True, visit))
        assert catalog.summary(visit.gallery).macs_queries > 0
        assert after.headline != before
        assert "data-again" in after.grid
        assert 'class="on new"' in after.grid

    def test_a_photo_selected_meanwhile_is_drawn_as_deep_as_its_query_has_sent_it(
        self, search: Search, visit: Visit, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(refine_module, "SPENDABLE", 2.0)  # more than one look
        answers = search.searched("red + green", True, visit)
        next(answers)
        visit.photo = visit.hits[1].photo.id
        (refined,) = answers
        assert visit.photo in visit.deepened, "the case must send it deeper"
        assert "exit 3 of 3" in refined.panel
        assert f'data-photo="{visit.photo}"' in refined.panel

    def test_what_was_folded_away_comes_back(self, search: Search, visit: Visit) -> None:
        grid = found(search.searched("blue", False, visit)).grid
        assert grid.count('class="hit"') == 1
        assert "Show 2 more" in grid
        assert search.more(visit).count('class="hit"') == 3

    @pytest.fixture
    def many(self, catalog: Catalog, upload: MakeUpload) -> Callable[[int, int], Visit]:
        """Opens a gallery of so many reddish photos and so many bluish ones."""

        def visit_of(reds: int, blues: int) -> Visit:
            gallery = catalog.open_collection("Many")
            colours = [*((255, i, 0) for i in range(reds)), *((0, i, 255) for i in range(blues))]
            catalog.ingest(gallery, [upload(f"{number}.png", colour) for number, colour in enumerate(colours)])
            return Visit(gallery=gallery)

        return visit_of

    def test_every_click_shows_a_page_more_than_stood_out(
        self, search: Search, many: Callable[[int, int], Visit]
    ) -> None:
        mine = many(3, 50)
        grids = [found(search.searched("red", False, mine)).grid, *(search.more(mine) for _ in range(3))]
        assert [grid.count('class="hit"') for grid in grids] == [3, 27, 51, 53]
        assert [re.findall(r"Show (\d+) more", grid) for grid in grids] == [["24"], ["24"], ["2"], []]
        assert all(grid.count("relevance falls off") == 1 for grid in grids)

    def test_where_more_than_a_page_stand_out_the_line_comes_after_them(
        self, search: Search, many: Callable[[int, int], Visit]
    ) -> None:
        mine = many(30, 40)
        grid = found(search.searched("red", False, mine)).grid
        assert (grid.count('class="hit"'), "falls off" in grid) == (24, False)
        above, below = search.more(mine).split("relevance falls off")
        assert (above.count('class="hit"'), below.count('class="hit"')) == (30, 18)

    def test_where_all_are_alike_no_line_is_drawn(self, search: Search, catalog: Catalog, upload: MakeUpload) -> None:
        gallery = catalog.open_collection("Many")
        catalog.ingest(gallery, [upload(f"{i}.png", (255, i // 2, i % 2)) for i in range(130)])
        mine = Visit(gallery=gallery)
        grids = [found(search.searched("red", False, mine)).grid, *(search.more(mine) for _ in range(5))]
        assert [grid.count('class="hit"') for grid in grids] == [24, 48, 72, 96, 120, 130]
        assert not any("falls off" in grid for grid in grids)

    def test_a_chosen_query_fills_the_search_box_and_is_remembered(self, search: Search, visit: Visit) -> None:
        query, *_ = last(search.again(Event(query="green"), False, visit))
        assert query == "green"
        answer = found(search.searched("blue - red", False, visit))
        assert 'data-query="green"' in answer.suggestions
        assert visit.history == ["blue - red", "green"]

    def test_more_like_a_photo_is_a_query_by_its_picture(self, search: Search, visit: Visit, catalog: Catalog) -> None:
        green = catalog.photos(visit.gallery)[1]
        visit.photo = green.id
        query, *_, grid, _ = last(search.alike(False, visit))
        assert query == f"photo:{green.id}"
        assert "green square" in grid

    def test_a_picture_is_searched_with_and_not_kept(
        self, search: Search, visit: Visit, catalog: Catalog, tmp_path: Path, png: Callable[..., bytes]
    ) -> None:
        file = tmp_path / "mine.png"
        file.write_bytes(png("green"))
        before = catalog.summary(visit.gallery).macs_pictures
        button, query, *_, answer, grid, _ = last(search.pictured(str(file), False, visit))
        assert (button, query) == (None, "photo:dropped")
        assert "one full encoding" in answer
        assert catalog.summary(visit.gallery).macs_pictures == before + catalog.encoder.full_macs
        assert "green square" in grid
        assert not file.exists()
        file.write_text("a letter")
        assert "That did not work" in found(search.pictured(str(file), False, visit)).grid

    def test_a_second_picture_is_not_answered_with_the_ranking_of_the_first(
        self, search: Search, visit: Visit, tmp_path: Path, png: Callable[..., bytes]
    ) -> None:
        answers = []
        for colour in ("red", "blue"):
            file = tmp_path / f"my-{colour}.png"
            file.write_bytes(png(colour))
            answers.append(search.pictured(str(file), True, visit))
            next(answers[-1])
        of_the_first, of_the_second = map(found, answers)
        assert of_the_first == unchanged()
        assert "blue-square.png" in of_the_second.panel
        assert visit.hits[0].photo.file == "blue-square.png"

    def test_without_words_the_gallerys_photos_are_shown(self, search: Search, visit: Visit) -> None:
        assert found(search.searched("  ", True, visit)).grid.count('class="hit"') == 3

    @pytest.mark.parametrize("text", ["\x00", "\ud800".encode("utf-8", "replace").decode(), "<b>", "🦦", "- red"])
    def test_any_text_is_a_query(self, search: Search, visit: Visit, text: str) -> None:
        assert "data-photo" in found(search.searched(text, False, visit)).grid

    @pytest.mark.parametrize("text", ["x" * 100_000, "a + b" * 90, "99:red"])
    def test_what_is_too_much_is_a_sentence(self, search: Search, visit: Visit, text: str) -> None:
        assert "That did not work" in found(search.searched(text, True, visit)).grid

    def test_a_gallery_that_is_gone_is_a_sentence(self, search: Search) -> None:
        assert "not there any more" in found(search.searched("red", True, Visit(gallery=999))).grid

    def test_a_gallery_of_another_model_is_a_sentence_not_a_wrong_strip(
        self, search: Search, galleries: Galleries, catalog: Catalog, holidays: int
    ) -> None:
        catalog.encoder.identity = replace(catalog.encoder.identity, weights="c" * 64)
        assert "That did not work" in found(search.searched("red", True, Visit(gallery=holidays))).grid
        told = galleries.whole(0.75, Visit(gallery=holidays))
        assert "That did not work" in told.figures
        assert "encode its photos again" in told.figures
        assert told.histogram == told.curve == told.prospect == ""

    def test_a_gallery_with_other_exits_is_a_sentence_too(
        self, galleries: Galleries, context: Context, catalog: Catalog, holidays: int
    ) -> None:
        stages = catalog.encoder.stages[:2]
        encoder: Any = catalog.encoder
        encoder.exits, encoder.costs, encoder.stages = 1, (100,), (*stages, replace(stages[1], exit=1))
        encoder.identity = replace(encoder.identity, exits="")
        visit = Visit(gallery=holidays)
        assert "That did not work" in galleries.whole(0.75, visit).figures
        assert "That did not work" in Compare(context).presented(visit)

    def test_a_link_reopens_a_query_where_strangers_may(
        self, search: Search, visit: Visit, catalog: Catalog, holidays: int
    ) -> None:
        assert 'data-share="?q=red+%2B+blue"' in found(search.searched("red + blue", False, visit)).answer
        mine = Visit(gallery=holidays)
        assert "data-share" not in found(search.searched("red", False, mine)).answer
        link = catalog.publish(holidays, True)
        assert f"?gallery={link}&amp;q=red" in found(search.searched("red", False, mine)).answer


class TestGalleries:
    def test_the_first_visit_is_answered_already(self, galleries: Galleries, demo: Demo) -> None:
        choice, query, timer, kept, *rest = last(galleries.opened(None, False, Visit(), Request()))
        shown = Found(*rest)
        assert choice["choices"] == [("Demo gallery · 3", choice["value"])]
        assert query == "something red"
        assert not timer["active"]
        assert kept["gallery"] == demo.id
        assert "<b>3 photos</b>" in shown.headline
        assert 'data-query="something red"' in shown.suggestions
        assert "red-square.png" in shown.panel

    def test_a_second_answer_leaves_what_is_typed_meanwhile(self, galleries: Galleries, demo: Demo) -> None:
        first, *later = galleries.opened(None, True, Visit(), Request())
        assert first[1] == demo.queries[0].query
        assert later
        assert all(second[1] == gr.skip() for second in later)

    def test_an_address_reopens_a_query_and_a_published_gallery(
        self, galleries: Galleries, catalog: Catalog, holidays: int
    ) -> None:
        _, query, *_ = last(galleries.opened(None, False, Visit(), Request({"q": "blue"})))
        assert query == "blue"
        link = catalog.publish(holidays, True)
        stranger = Visit(owner="somebody else")
        asked = Request({"gallery": link, "q": "yellow"})
        choice, query, _, kept, *_ = last(galleries.opened(None, False, stranger, asked))
        assert (choice["value"], query) == (holidays, "yellow")
        again = Visit(owner="somebody else")
        assert last(galleries.opened(kept, False, again, Request()))[0]["value"] == holidays

    def test_a_reload_comes_back_to_the_gallery_that_was_left(
        self, galleries: Galleries, catalog: Catalog, holidays: int, demo: Demo
    ) -> None:
        choice, *_ = last(galleries.opened({"gallery": holidays}, False, Visit(), Request()))
        assert choice["value"] == holidays
        catalog.remove(holidays)
        choice, *_ = last(galleries.opened({"gallery": holidays}, False, Visit(), Request()))
        assert choice["value"] == demo.id
        for odd in (
            "text",
            {"gallery": "x", "links": [{}]},
            {"gallery": None},
            {"gallery": [holidays], "links": ["\0", "\ud800", "ü", ["a"], None]},
            {"gallery": {"a": 1}},
        ):
            assert last(galleries.opened(odd, False, Visit(), Request()))[0]["value"] == demo.id

    def test_before_the_demo_gallery_is_ready_its_progress_is_shown(
        self, store: Store, catalog: Catalog, folder: Path, pictures: Pictures
    ) -> None:
        context = Context(catalog, Comparison(store, catalog), Demo(catalog, folder), pictures.address)
        galleries = Galleries(context, Search(context))
        visit = Visit()
        _, _, timer, *_ = opened = last(galleries.opened(None, True, visit, Request()))
        assert timer["active"]
        assert "Encoding the demo gallery" in opened[-2]
        assert "Encoding the demo gallery" in last(galleries.waited(True, visit))[-2]
        context.demo.start().join()
        assert "red square" in last(galleries.waited(True, visit))[-2]

    def test_a_query_of_the_address_is_answered_when_the_demo_gallery_is_ready(
        self, store: Store, catalog: Catalog, folder: Path, pictures: Pictures
    ) -> None:
        context = Context(catalog, Comparison(store, catalog), Demo(catalog, folder), pictures.address)
        galleries, visit = Galleries(context, Search(context)), Visit()
        _, query, *_ = last(galleries.opened(None, False, visit, Request({"q": "blue"})))
        assert query == "blue"
        context.demo.start().join()
        _, query, *_, grid, _ = last(galleries.waited(False, visit))
        assert query == "blue"
        assert "blue square" in grid

    def test_a_demo_that_cannot_be_encoded_is_a_sentence(self, store: Store, folder: Path, pictures: Pictures) -> None:
        def broken() -> FakeEncoder:
            raise ZeroDivisionError

        catalog = Catalog(store, broken)
        demo = Demo(catalog, folder)
        thread_error = threading.excepthook
        threading.excepthook = lambda _: None
        demo.start().join()
        threading.excepthook = thread_error
        context = Context(catalog, Comparison(store, catalog), demo, pictures.address)
        _, _, timer, *_, grid, _ = last(Galleries(context, Search(context)).opened(None, True, Visit(), Request()))
        assert not timer["active"]
        assert "That did not work" in grid

    def test_a_page_that_was_open_before_the_demo_was_renewed_goes_on_to_the_new_one(
        self, store: Store, folder: Path, demo: Demo, pictures: Pictures
    ) -> None:
        newer = FakeEncoder()
        newer.identity = replace(newer.identity, weights="c" * 64)
        catalog = Catalog(store, lambda: newer)
        again = Demo(catalog, folder)
        again.start().join()
        context = Context(catalog, Comparison(store, catalog), again, pictures.address)
        choice, query, timer, *_ = last(Galleries(context, Search(context)).waited(False, Visit(gallery=demo.id)))
        assert (choice["value"], query) == (again.id, "something red")
        assert not timer["active"]

    def test_a_gallery_is_picked(self, galleries: Galleries, holidays: int, visit: Visit) -> None:
        query, name, kept, *rest = last(galleries.picked(holidays, False, visit))
        assert (query, name, kept["gallery"]) == ("", "Holidays", holidays)
        assert Found(*rest).grid.count('class="hit"') == 2
        assert "not there any more" in found(galleries.picked(999, False, visit)).grid

    def test_a_gallery_as_a_whole(self, galleries: Galleries, holidays: int) -> None:
        whole = galleries.whole(0.75, Visit(gallery=holidays))
        assert "60 %" in whole.figures
        assert "Where photos leave" in whole.histogram
        assert whole.histogram.count("<img") == 2
        assert "Nobody has measured" in whole.curve
        assert "60 %" in whole.prospect

    def test_what_a_gallery_is_set_to_is_drawn_when_it_comes_on_show(
        self, galleries: Galleries, holidays: int, demo: Demo, visit: Visit
    ) -> None:
        settings = galleries.settings(holidays, visit)
        assert (settings.budget["value"], settings.title["value"]) == (0.75, "Holidays")
        assert settings.delete["visible"]
        assert not galleries.settings(demo.id, visit).delete["visible"]
        assert "value" not in galleries.settings(999, visit).title

    def test_another_budget_says_what_it_saves(self, galleries: Galleries, holidays: int) -> None:
        assert "50 %" in galleries.prospect(0.5, Visit(gallery=holidays))

    def test_an_empty_gallery_says_what_to_do(self, galleries: Galleries, catalog: Catalog) -> None:
        empty = Visit(gallery=catalog.open_collection("Empty"))
        assert "Add photos" in galleries.whole(0.75, empty).figures
        assert "Add photos first" in found(galleries.picked(empty.gallery, True, empty)).grid

    def test_a_gallery_is_renamed_published_and_deleted(
        self, galleries: Galleries, holidays: int, catalog: Catalog, demo: Demo
    ) -> None:
        mine = Visit(gallery=holidays)
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
        assert [summary.kind for summary in catalog.galleries()] == ["demo"]

    def test_photos_are_deleted_from_ones_own_gallery_only(
        self, galleries: Galleries, visit: Visit, catalog: Catalog, holidays: int
    ) -> None:
        demo = catalog.photos(visit.gallery)
        assert "stays as it is" in found(galleries.discarded(Event(photos=str(demo[0].id)), visit)).grid
        first, second = catalog.photos(holidays)
        mine = Visit(gallery=holidays)
        for odd in ("x", "9" * 30):
            assert "not there any more" in found(galleries.discarded(Event(photos=odd), mine)).grid
        choice, *rest = last(galleries.discarded(Event(photos=f"{first.id} {demo[1].id}"), mine))
        assert ("Holidays · 1", holidays) in choice["choices"]
        assert "1 photo deleted" in Found(*rest).answer
        assert [photo.id for photo in catalog.photos(holidays)] == [second.id]
        assert len(catalog.photos(visit.gallery)) == len(demo), "a photo of another gallery stays"
        emptied = found(galleries.discarded(Event(photos=str(second.id)), mine))
        assert "1 photo deleted" in emptied.answer
        assert "Add photos first" in emptied.grid

    def test_several_can_be_chosen_in_ones_own_gallery_only(self, search: Search, visit: Visit, holidays: int) -> None:
        assert 'data-event="choose"' not in found(search.searched("red", False, visit)).answer
        for text in ("red", ""):
            assert 'data-event="choose"' in found(search.searched(text, False, Visit(gallery=holidays))).answer

    def test_what_a_query_changed_is_drawn_where_it_is_on_show(self, galleries: Galleries, holidays: int) -> None:
        mine = Visit(gallery=holidays)
        assert "60 %" not in str(galleries.stirred(0.75, mine).figures)
        mine.tab = "Gallery"
        assert "60 %" in galleries.stirred(0.75, mine).figures

    def test_a_gallery_is_leafed_through_when_nothing_is_asked(
        self, search: Search, catalog: Catalog, upload: Callable[..., Upload]
    ) -> None:
        gallery = catalog.open_collection("Many")
        catalog.ingest(gallery, [upload(f"{i}.png", (i, 2, 3)) for i in range(30)])
        mine = Visit(gallery=gallery)
        shown = found(search.searched("", True, mine))
        assert (shown.grid.count('class="hit"'), "Show 6 more" in shown.grid) == (24, True)
        grid = search.more(mine)
        assert (grid.count('class="hit"'), "more" in grid) == (30, False)

    def test_the_demo_gallery_stays_as_it_is(self, galleries: Galleries, visit: Visit, catalog: Catalog) -> None:
        assert "stays as it is" in galleries.renamed("Mine", visit)[1]
        assert "stays as it is" in found(galleries.deleted(False, visit)).grid
        assert "stays as it is" in galleries.published(True, visit)
        assert catalog.summary(visit.gallery).photos == 3


class TestAccess:
    def test_a_stranger_reaches_the_demo_and_what_was_published_to_them(
        self, store: Store, catalog: Catalog, holidays: int, demo: Demo
    ) -> None:
        access = Access(catalog, demo, Visitors(store, catalog.remove))
        stranger = Visit(owner="somebody else")
        assert [summary.id for summary in access.galleries(stranger)] == [demo.id]
        photo = catalog.photos(holidays)[0]
        with pytest.raises(GalleryMissing):
            access.gallery(holidays, stranger)
        with pytest.raises(PhotoMissing):
            access.photo(photo.id, stranger)
        assert access.open_link("a guess", stranger) is None
        link = catalog.publish(holidays, True)
        assert access.open_link(link, stranger) == holidays
        assert access.photo(photo.id, stranger).file == "r.png"
        with pytest.raises(NotYours):
            access.own(holidays, stranger)
        catalog.publish(holidays, False)
        with pytest.raises(GalleryMissing):
            access.gallery(holidays, stranger)


class TestSelection:
    @pytest.fixture
    def selection(self, context: Context) -> Selection:
        return Selection(context)

    def test_a_photo_is_selected(self, selection: Selection, catalog: Catalog, visit: Visit) -> None:
        photo = catalog.photos(visit.gallery)[0]
        html = selection.selected(Event(photo=str(photo.id)), visit)
        assert photo.file in html
        assert "gate 1.00" in html  # the gate of the photo's own budget
        assert visit.photo == photo.id
        for gone in ("999", "x", "", "9" * 30):
            assert "search again" in selection.selected(Event(photo=gone), visit)

    def test_how_the_query_fits_is_told_for_every_exit(
        self, selection: Selection, search: Search, visit: Visit
    ) -> None:
        list(search.searched("red", False, visit))
        assert selection.explained(visit).count("--part") >= 3
        visit.ask("")
        assert "Search for something first" in selection.explained(visit)

    def test_full_depth_says_whether_the_ranking_changed(
        self, selection: Selection, search: Search, visit: Visit, catalog: Catalog
    ) -> None:
        list(search.searched("red", False, visit))
        html = selection.deepened(visit)
        assert "The ranking did not change: </b>still at rank 1" in html.replace("change:</b> ", "change: </b>")
        assert "exit 3 of 3" in html
        assert catalog.photo(visit.photo).exit == 3

    def test_a_photo_of_a_model_without_exits_has_a_panel(
        self, store: Store, folder: Path, fake_encoder: FakeEncoder, pictures: Pictures
    ) -> None:
        stages = tuple(replace(s, exit=1 if s.exit == fake_encoder.exits else None) for s in fake_encoder.stages)
        full = FakeEncoder(exits=1, costs=(100,), stages=stages)
        catalog = Catalog(store, lambda: full)
        demo = Demo(catalog, folder)
        demo.start().join()
        context = Context(catalog, Comparison(store, catalog), demo, pictures.address)
        visit = Visit(gallery=demo.id)
        shown = found(Search(context).searched("red", True, visit))
        assert "went all the way" in shown.panel
        assert "at full depth: this model has no exit modules yet" in shown.headline
        assert "Where photos leave" in Galleries(context, Search(context)).whole(0.75, visit).histogram


@pytest.mark.parametrize("data", [None, {}, {"photo": [], "photos": {"a": 1}, "query": None}, []])
def test_an_event_that_was_made_by_hand_is_a_sentence(context: Context, holidays: int, data: object) -> None:
    event, mine = gr.EventData(None, data), Visit(gallery=holidays)
    search = Search(context)
    assert "search again" in Selection(context).selected(event, mine)
    assert found(search.again(event, False, mine)).grid
    assert found(Galleries(context, search).discarded(event, mine)).grid
    assert context.catalog.summary(holidays).photos == 2


class TestCompare:
    @pytest.fixture
    def compare(self, context: Context) -> Compare:
        return Compare(context)

    def test_both_rankings_stand_side_by_side_after_a_race(
        self, compare: Compare, search: Search, visit: Visit
    ) -> None:
        list(search.searched("red", False, visit))
        race, sides = compare.shown(visit)
        assert race == ""
        assert "both" in sides
        *_, (race, sides, _, stop) = compare.raced(visit)
        assert "measured" in race
        assert "3 of 3" in sides
        assert not stop["visible"]
        visit.ask("")
        assert "Ask something" in compare.shown(visit)[1]

    def test_a_query_is_compared_where_that_is_on_show_and_nothing_is_loaded_twice(
        self, compare: Compare, search: Search, visit: Visit, context: Context, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        list(compare.raced(visit))
        list(search.searched("red", False, visit))
        loaded: list[str] = []
        for part, name in ((context.comparison, "full_run"), (context.catalog, "summary")):
            load = getattr(part, name)
            monkeypatch.setattr(part, name, lambda id, name=name, load=load: loaded.append(name) or load(id))
        assert "3 of 3" not in str(compare.stirred(visit))
        assert loaded == []
        visit.tab = COMPARE
        assert "3 of 3" in compare.stirred(visit)[1]
        assert sorted(loaded) == ["full_run", "summary"]
        compare.presented(visit)
        assert sorted(loaded) == ["full_run", "full_run", "summary", "summary"]

    def test_an_empty_gallery_has_nothing_to_compare(self, compare: Compare, catalog: Catalog) -> None:
        empty = Visit(gallery=catalog.open_collection("Empty"))
        assert "Add photos first" in compare.shown(empty)[0]
        assert "add some first" in last(compare.raced(empty))[0]

    def test_present_mode_has_no_number_that_was_not_measured(
        self, compare: Compare, search: Search, visit: Visit
    ) -> None:
        list(search.searched("red", False, visit))
        assert compare.presented(visit).count('class="big">–<') == 2
        list(compare.raced(visit))
        assert 'class="big">–<' not in compare.presented(visit)


class TestBudget:
    def test_another_budget_is_applied(self, context: Context, catalog: Catalog, holidays: int) -> None:
        *_, (account, stop) = Budget(context).applied(1.0, "", Visit(gallery=holidays))
        assert "at a budget of 100 % now" in account
        assert not stop["visible"]
        assert catalog.summary(holidays).exits == (0, 0, 2)

    def test_what_people_will_look_for_is_remembered_until_it_is_taken_back(
        self, context: Context, galleries: Galleries, catalog: Catalog, holidays: int
    ) -> None:
        visit = Visit(gallery=holidays)
        account, _ = last(Budget(context).applied(0.75, " a kite \n\n# sky\na kite\na boat", visit))
        assert "show what people will look for may have gone deeper" in account
        assert catalog.summary(holidays).guides == GuideTexts(("a kite", "a boat"))
        assert galleries.settings(holidays, visit).looked_for == "a kite\na boat"
        many = "\n".join(map(str, range(MOST_TYPED + 1)))
        assert f"name {MOST_TYPED} at most" in last(Budget(context).applied(0.75, many, visit))[0]
        long = "a kite " * 30
        assert "say it in a few words" in last(Budget(context).applied(0.75, long, visit))[0]
        assert catalog.summary(holidays).guides == GuideTexts(("a kite", "a boat")), "what is refused changes nothing"
        assert "may have gone deeper" not in last(Budget(context).applied(0.75, "", visit))[0]
        assert catalog.summary(holidays).guides is None
        assert galleries.settings(holidays, visit).looked_for == ""

    def test_a_files_many_phrases_stay_as_they_are_when_the_budget_alone_is_changed(
        self, context: Context, galleries: Galleries, catalog: Catalog, holidays: int
    ) -> None:
        of_a_file = GuideTexts(tuple(f"a kite of {n}" for n in range(MOST_TYPED + 1)), only=True)
        catalog.reencode(holidays, guides=of_a_file)
        visit = Visit(gallery=holidays)
        shown = galleries.settings(holidays, visit).looked_for
        account, _ = last(Budget(context).applied(1.0, shown, visit))
        assert "at a budget of 100 % now" in account
        assert catalog.summary(holidays).guides == of_a_file

    def test_a_photo_whose_kept_picture_is_gone_is_named(
        self, context: Context, catalog: Catalog, holidays: int
    ) -> None:
        gone = catalog.photos(holidays)[0]
        catalog.picture_path(gone.content_hash).unlink()
        account, _ = last(Budget(context).applied(1.0, "", Visit(gallery=holidays)))
        assert "All other photos are" in account
        assert f"{gone.file}</span><span>its kept picture is gone" in account

    def test_a_gallery_that_is_gone_is_a_sentence(self, context: Context) -> None:
        assert "That did not work" in last(Budget(context).applied(0.5, "", Visit(gallery=999)))[0]

    def test_apply_that_is_refused_leaves_the_one_before_it_its_button(
        self, context: Context, holidays: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> NoReturn:
            raise TooMuch("One at a time.")

        budget, visit = Budget(context), Visit(gallery=holidays)
        with context.access.work(visit), context.access.work(visit):  # all others wait in line
            applying = budget.applied(1.0, "", visit)
            next(applying)
            next(applying)
            monkeypatch.setattr(budget, "_encode", refuse)
            account, stop = last(budget.applied(0.5, "", visit))
            assert "One at a time." in account
            assert stop["visible"], "what is under way can still be stopped"
            budget.stopped(visit)
            account, stop = last(applying)
        assert "Stopped" in account
        assert not stop["visible"]


class TestIntake:
    @pytest.fixture
    def intake(self, context: Context, search: Search, galleries: Galleries) -> Intake:
        return Intake(context, search, galleries)

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
        self, intake: Intake, dropped: Callable[..., list[str]], visit: Visit
    ) -> None:
        accounts = [account for _, account, *_ in intake.uploaded(dropped(a="yellow", b="green"), "Holidays", visit)]
        looking = [account for account in accounts if isinstance(account, str) and "Looking through" in account]
        assert ["1 photo so far" in looking[0], "2 photos so far" in looking[1]] == [True, True]
        assert len(looking) == 2

    def test_good_files_are_stored_and_bad_ones_named(
        self, intake: Intake, dropped: Callable[..., list[str]], visit: Visit
    ) -> None:
        files = dropped(yellow="yellow", text=b"hello", empty=b"", green="green")
        drop, account, stop, choice, query, kept, *rest = last(intake.uploaded(files, "Holidays", visit))
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
        self, intake: Intake, dropped: Callable[..., list[str]], visit: Visit
    ) -> None:
        list(intake.uploaded(dropped(red="red"), "Holidays", visit))
        account = last(intake.uploaded(dropped(red="red", blue="blue"), "Holidays", visit))[1]
        assert "1</b> photo added" in account
        assert "1 was here already" in account

    def test_stop_keeps_what_is_done(
        self, intake: Intake, dropped: Callable[..., list[str]], visit: Visit, catalog: Catalog
    ) -> None:
        files = dropped(letter=b"Dear Sir", **{f"p{i}": (i, 2, 3) for i in range(100)})  # four batches
        events = intake.uploaded(files, "Holidays", visit)
        next(events)
        next(events)
        intake.stopped(visit)
        *_, final = events
        kept = catalog.summary(visit.gallery).photos
        assert 31 <= kept < 100
        assert (kept + 1) % 32 == 0, "whole batches, the first with a file that is no picture"
        assert f"{kept}</b> photos added to “Holidays” so far, and kept" in final[1]
        assert "<span>letter</span>" in final[1], "bad files until then are named"

    def test_an_upload_is_stopped_by_its_own_button_and_a_race_by_its_own(
        self, intake: Intake, dropped: Callable[..., list[str]], visit: Visit, context: Context
    ) -> None:
        compare = Compare(context)
        with context.access.work(visit), context.access.work(visit):  # both wait in line
            uploading, racing = intake.uploaded(dropped(red="red"), "Holidays", visit), compare.raced(visit)
            for begun in (uploading, racing):
                next(begun)
                next(begun)
            intake.stopped(visit)
            assert "Stopped" in last(uploading)[1]
            compare.stopped(visit)
            assert "Stopped" in last(racing)[0]

    def test_an_upload_that_is_refused_leaves_the_one_before_it_its_button(
        self,
        intake: Intake,
        dropped: Callable[..., list[str]],
        visit: Visit,
        context: Context,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def refuse(*_: object) -> NoReturn:
            raise TooMuch("One upload at a time.")

        with context.access.work(visit), context.access.work(visit):  # all others wait in line
            uploading = intake.uploaded(dropped(red="red"), "Holidays", visit)
            next(uploading)
            next(uploading)
            monkeypatch.setattr(context, "ingest", refuse)
            _, account, stop, *_ = last(intake.uploaded(dropped(blue="blue"), "Holidays", visit))
            assert "One upload at a time." in account
            assert stop["visible"], "what is under way can still be stopped"
            intake.stopped(visit)
            assert "Stopped" in last(uploading)[1]
        assert not last(intake.uploaded(dropped(blue="blue"), "Holidays", visit))[2]["visible"], "nothing to stop now"

    def test_nothing_stays_in_gradios_cache(
        self, intake: Intake, dropped: Callable[..., list[str]], tmp_path: Path, visit: Visit
    ) -> None:
        files = dropped(red="red", text=b"hello")
        account = last(intake.uploaded([*files, files[0]], "", visit))[1]
        assert "1</b> photo added" in account
        assert "1 was here already" in account
        assert not list((tmp_path / "cache").iterdir())
        assert not list(home().glob("incoming-*"))

    def test_a_full_disk_is_a_sentence_and_nothing_stays(
        self,
        intake: Intake,
        dropped: Callable[..., list[str]],
        tmp_path: Path,
        visit: Visit,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("shutil.move", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
        _, account, stop, *_ = last(intake.uploaded(dropped(red="red"), "Holidays", visit))
        assert "No space left on device" in account
        assert not stop["visible"]
        assert not list((tmp_path / "cache").iterdir())

    def test_what_a_killed_upload_left_behind_is_forgotten_after_a_day(
        self, intake: Intake, dropped: Callable[..., list[str]], visit: Visit
    ) -> None:
        old, recent = home() / "incoming-old", home() / "incoming-recent"
        for folder in (old, recent):
            folder.mkdir()
            (folder / "0").write_bytes(b"an original")
        os.utime(old, (0, 0))
        list(intake.uploaded(dropped(red="red"), "", visit))
        assert not old.exists()
        assert recent.exists()

    def test_an_ingest_that_fails_says_so_to_the_visitor(
        self, intake: Intake, catalog: Catalog, dropped: Callable[..., list[str]], visit: Visit
    ) -> None:
        list(intake.uploaded(dropped(red="red"), "Holidays", visit))
        catalog.encoder.identity = replace(catalog.encoder.identity, weights="c" * 64)
        account = last(intake.uploaded(dropped(blue="blue"), "Holidays", visit))[1]
        assert "That did not work" in account

    def test_an_ingest_goes_on_when_the_visitor_leaves(
        self, intake: Intake, catalog: Catalog, dropped: Callable[..., list[str]], visit: Visit
    ) -> None:
        events = intake.uploaded(dropped(red="red", blue="blue"), "Holidays", visit)
        next(events)
        next(events)
        events.close()
        for thread in threading.enumerate():
            if thread.name == "work":
                thread.join(10)
        gallery = catalog.find("Holidays")
        assert gallery is not None
        assert catalog.summary(gallery).photos == 2

    def test_a_folder_of_this_machine_is_taken_in_by_its_owner_only(
        self, intake: Intake, folder: Path, visit: Visit, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert "3</b> photos added to “Colours”" in last(intake.from_folder(str(folder), "Colours", visit))[1]
        assert "is not a folder" in last(intake.from_folder(str(folder / "none"), "Colours", visit))[1]
        (folder / "empty").mkdir()
        assert "no picture in that folder" in last(intake.from_folder(str(folder / "empty"), "Colours", visit))[1]
        monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
        assert "only on the machine itself" in last(intake.from_folder(str(folder), "Colours", visit))[1]
