"""Both encoders side by side."""

import time
from collections.abc import Callable
from dataclasses import replace
from threading import Event

import pytest

from app import access as access_module
from app import services as services_module
from app.handlers import comparison as comparison_module
from app.handlers.comparison import COMPARE, Compare
from app.handlers.search import Search
from app.services import Services
from app.session import Session
from engine.gallery import UNDATED, Lap, Library, Race, shipped_race
from engine.gallery.galleries import open_gallery
from tests.app.shown_examples import PARTS, after
from tests.pictures import Meanwhile


def test_both_rankings_stand_side_by_side_after_a_race(compare: Compare, search: Search, session: Session) -> None:
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
    compare: Compare, search: Search, session: Session, services: Services, monkeypatch: pytest.MonkeyPatch
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


def test_rankings_are_not_drawn_over_those_of_a_newer_question(
    compare: Compare, search: Search, session: Session, meanwhile: Meanwhile
) -> None:
    list(compare.raced(session))
    list(search.searched("red", False, session))
    meanwhile(comparison_module, "compare_rankings", lambda: list(search.searched("blue", False, session)))
    assert not hasattr(after(compare.shown(session)), "rankings")


def test_the_shipped_measurement_is_shown_of_its_own_model_until_this_machine_has_measured(
    compare: Compare, session: Session, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = replace(shipped_race(), weights=services.library.encoder.identity.weights)
    monkeypatch.setattr(services_module, "shipped_race", lambda: shipped)
    first = after(next(compare.shown(session)))  # before photos run in full for the rankings
    assert "Shipped measurement" in first.race
    assert not hasattr(first, "rankings")
    raced = after(compare.raced(session))
    assert "on this machine" in raced.race
    assert "measured" in raced.headline
    assert "shipped" not in raced.headline


def test_a_race_changes_no_headline_of_another_gallery(compare: Compare, session: Session, holidays: int) -> None:
    racing = compare.raced(session)
    for _ in range(2):  # it has begun
        next(racing)
    session.gallery = holidays
    assert not hasattr(after(racing), "headline")


def test_a_race_that_was_stopped_is_told_of_beside_no_other_gallery(
    compare: Compare, session: Session, services: Services, holidays: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    race = services.comparison.race

    def long(gallery: int, told: Callable[[Lap], object]) -> Race:
        for _ in range(1000):
            told(Lap(1, 3, 2.0, 4.0))
            time.sleep(0.01)
        return race(gallery, told)

    monkeypatch.setattr(services.comparison, "race", long)
    racing = compare.raced(session)
    next(racing)
    services.stop("race", session)
    session.gallery = holidays
    shown = after(racing)
    assert not hasattr(shown, "race")
    assert shown.start_race["interactive"]


def test_a_race_is_told_of_on_a_page_that_was_loaded_again_and_not_begun_twice(
    compare: Compare, session: Session, services: Services, holidays: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.handlers.comparison.SECOND", 0.01)
    race, go_on = services.comparison.race, Event()

    def slow(gallery: int, told: Callable[[Lap], object]) -> Race:
        told(Lap(1, 3, 2.0, 4.0))
        go_on.wait(30)
        return race(gallery, told)

    monkeypatch.setattr(services.comparison, "race", slow)
    racing, again, other = compare.raced(session), Session(gallery=session.gallery), Session(gallery=session.gallery)
    for _ in range(2):
        next(racing)
    assert not list(compare.followed(session)), "its own page tells of it"
    assert not list(compare.followed(Session(gallery=holidays)))
    for page in (compare.followed(again), compare.raced(other)):
        shown = after(next(page))
        assert "1 of 3" in shown.race
        assert not shown.start_race["interactive"]
        assert shown.stop_race["visible"]
    assert "1 of 3" in after(next(compare.shown(session))).race, "the tab was left and opened again"
    go_on.set()
    shown = after(page)
    assert "measured" in shown.race
    assert shown.start_race["interactive"]
    assert not shown.stop_race["visible"]
    assert "measured" in shown.headline
    assert "measured" in after(compare.followed(session)).race, "its end may come before what the tab was drawn with"
    assert not list(compare.followed(session))


def test_two_pages_that_press_together_begin_one_race(
    compare: Compare, session: Session, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.handlers.comparison.SECOND", 0.01)
    race, go_on, begun = services.comparison.race, Event(), list[int]()

    def slow(gallery: int, told: Callable[[Lap], object]) -> Race:
        begun.append(gallery)
        go_on.wait(30)
        return race(gallery, told)

    monkeypatch.setattr(services.comparison, "race", slow)
    pages = [compare.raced(session), compare.raced(Session(gallery=session.gallery))]
    for page in pages:
        assert not after(next(page)).start_race["interactive"]
    assert not list(compare.raced(session)), "who presses twice is told already"
    go_on.set()
    for page in pages:
        assert "measured" in after(page).race
    assert begun == [session.gallery]


def test_a_race_is_stopped_from_a_page_that_was_loaded_again(
    compare: Compare, session: Session, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.handlers.comparison.SECOND", 0.01)
    begun = Event()

    def endless(gallery: int, told: Callable[[Lap], object]) -> Race:
        while True:
            told(Lap(1, 3, 2.0, 4.0))
            begun.set()

    monkeypatch.setattr(services.comparison, "race", endless)
    racing, again = compare.raced(session), Session(gallery=session.gallery)
    next(racing)
    next(racing)
    assert begun.wait(30)
    page = compare.followed(again)
    assert after(next(page)).stop_race["visible"]
    services.stop("race", again)
    assert after(page).start_race["interactive"]
    assert "nothing was kept of this race" in after(racing).race


def test_what_is_on_its_way_is_said_where_it_will_stand() -> None:
    for part in (PARTS.figures, PARTS.rankings):
        assert "on its way" in part.value


def test_another_gallery_is_compared_when_it_has_raced(compare: Compare, holidays: int) -> None:
    shown = after(compare.shown(Session(gallery=holidays)))
    assert shown.race == ""
    assert "both" in shown.rankings


def test_an_empty_gallery_has_nothing_to_compare(compare: Compare, library: Library) -> None:
    empty = Session(gallery=open_gallery(library, "Empty"))
    shown = after(compare.shown(empty))
    assert "Add photos first" in shown.race
    assert not shown.start_race["visible"]
    assert "add some first" in after(compare.raced(empty)).race


def test_a_year_that_was_chosen_counts_for_both_rankings(compare: Compare, search: Search, trip: Session) -> None:
    list(search.searched("red", False, trip))
    assert "3 of 3" in after(compare.raced(trip)).rankings
    trip.year = 2019
    assert "Over 1 photo taken in 2019." in after(compare.shown(trip)).rankings
    trip.year = UNDATED
    assert "No photo of the year" in after(compare.shown(trip)).rankings
