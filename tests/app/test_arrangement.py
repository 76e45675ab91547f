"""The boxes over the photos: years to choose from, and an order where nothing is asked."""

import re

import gradio as gr

from app.demo import Demo
from app.handlers.galleries import Galleries
from app.handlers.photo import Selection
from app.handlers.search import Search
from app.services import Services
from app.session import Session
from app.views.arrangement import ANY, choices
from engine.gallery import UNDATED
from tests.app.sending import Event
from tests.app.shown_examples import PARTS, after


def test_a_gallery_without_dates_has_nothing_to_choose() -> None:
    assert choices({}, "arrival", None, False) == choices({UNDATED: 7}, "newest", None, True) == ""


def test_years_are_offered_with_their_photos_and_the_chosen_one_stands_there() -> None:
    shown = choices({2020: 3, 2019: 12, UNDATED: 1}, "newest", 2019, False)
    assert ">All years · 16</option>" in shown
    assert '<option value="2019" selected>2019 · 12</option>' in shown
    assert '<option value="0">No date · 1</option>' in shown
    assert '<option value="newest" selected>Newest first</option>' in shown


def test_a_query_has_an_order_of_its_own() -> None:
    shown = choices({2020: 3}, "newest", None, True)
    assert "Newest first" not in shown
    assert "2020 · 3" in shown


def arranged(services: Services, session: Session, **chosen: str) -> str:
    """The names in the grid after a choice, in its order."""
    galleries = Galleries(services, PARTS, Search(services, PARTS))
    shown = after(galleries.arranged(gr.EventData(None, chosen), False, session))
    return "".join(re.findall(r'alt="Photo: (\w)"', shown.grid))


def test_a_choice_arranges_the_gallery_and_a_search(services: Services, trip: Session) -> None:
    assert arranged(services, trip, order="newest", year=ANY) == "cba"
    assert arranged(services, trip, order="oldest", year=ANY) == "abc"
    assert arranged(services, trip, order="arrival", year="2019") == "b"
    trip.ask("red")
    assert arranged(services, trip, year="2020") == "c"
    assert len(arranged(services, trip, year=ANY)) == 3
    assert trip.order == "arrival"


def test_a_photo_that_was_selected_before_a_choice_is_so_no_more(services: Services, trip: Session) -> None:
    search = Search(services, PARTS)
    list(search.searched("red + green", True, trip))
    for query in (trip.query, ""):
        trip.ask(query)
        list(Selection(services, PARTS, search).selected(Event(photo=str(trip.photo)), trip))
        answers = list(Galleries(services, PARTS, search).arranged(Event(order="newest", year=ANY), True, trip))
        drawn = [str(answer.get(PARTS.panel, "")) for answer in answers]
        assert any(drawn)
        assert not any("data-picked" in panel for panel in drawn), "on a phone it would come up as a sheet"
        assert not trip.picked


def test_a_year_that_is_chosen_during_the_second_look_stays_on_show(services: Services, trip: Session) -> None:
    second_look = Search(services, PARTS).searched("red + green", True, trip)
    next(second_look)
    assert arranged(services, trip, year="2019") == "b"
    assert list(second_look) == [], "it is of photos of all years"


def test_a_year_that_another_gallery_lacks_is_let_go_of(services: Services, trip: Session, demo: Demo) -> None:
    arranged(services, trip, order="newest", year="2019")
    trip.gallery = demo.id
    shown = after(Search(services, PARTS).answers(False, trip))
    assert shown.grid.count("<li") == 3
    assert (trip.year, shown.arrangement) == (None, "")


def test_a_place_that_is_gone_to_has_its_order_and_year(services: Services, trip: Session) -> None:
    galleries = Galleries(services, PARTS, Search(services, PARTS))

    def names(**place: str) -> str:
        shown = after(galleries.gone_to(Event(gallery=str(trip.gallery), **place), False, trip))
        return "".join(re.findall(r'alt="Photo: (\w)"', shown.grid))

    assert names(q="", order="newest", year="") == "cba"
    assert names(q="red", order="", year="2019") == "b"
    assert trip.order == "newest", "a ranking has an order of its own"
    assert names(q="", order="", year="") == "bac"


def test_what_is_no_choice_changes_nothing(services: Services, session: Session) -> None:
    for year in ("", "x", "99999", "-1", "٢٠"):
        arranged(services, session, order="by size", year=year)
        assert (session.order, session.year) == ("arrival", None)
