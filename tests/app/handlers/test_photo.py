"""What is told of the selected photo."""

import re
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

import gradio as gr
import pytest

import app.session as session_module
from app.handlers import photo as photo_module
from app.handlers.galleries import Galleries
from app.handlers.overview import Overview
from app.handlers.photo import Selection
from app.handlers.search import Search
from app.services import Services
from app.session import Session
from app.views import photo as photo_views
from engine.gallery import Library
from engine.gallery.galleries import get_photo, list_photos, summarize_gallery
from engine.storage.database import Database
from tests.app.sending import Event
from tests.app.shown_examples import PARTS, after
from tests.fake_encoder import FakeEncoder
from tests.pictures import Meanwhile


def test_a_photo_is_selected(selection: Selection, search: Search, library: Library, session: Session) -> None:
    photo = list_photos(library, session.gallery or 0)[0]
    html = after(selection.selected(Event(photo=str(photo.id)), session)).panel
    assert photo.file in html
    assert "gate 1.00" in html  # the gate of the photo's own budget
    assert session.photo == photo.id
    (current,) = [card for card in after(search.more(session)).grid.split("<li ") if "aria-current" in card]
    assert current.startswith(f'data-photo="{photo.id}"'), "it stays marked when more photos come"
    for gone in ("999", "x", "", "9" * 30):
        assert "search again" in after(selection.selected(Event(photo=gone), session)).panel


def test_a_photo_selected_while_more_photos_are_on_their_way_is_marked_among_them(
    selection: Selection, search: Search, session: Session
) -> None:
    list(search.searched("red", False, session))
    more = search.more(session)
    next(more)
    list(selection.selected(Event(photo="2"), session))
    (current,) = [card for card in after(more).grid.split("<li ") if "aria-current" in card]
    assert 'data-photo="2"' in current


def test_of_two_photos_the_one_that_was_chosen_last_is_on_show_whichever_thread_begins_first(
    selection: Selection, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived = iter((8, 7))
    monkeypatch.setattr(photo_module, "arrival", lambda: next(arrived))
    assert 'data-photo="2"' in after(selection.selected(Event(photo="2"), session)).panel
    assert not list(selection.selected(Event(photo="1"), session))
    assert session.photo == 2


def test_a_photo_selected_since_a_question_stays_so_when_the_question_begins_late(
    selection: Selection, search: Search, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photo_module, "arrival", lambda: 8)
    list(selection.selected(Event(photo="2"), session))
    for arrived, picked in ((7, True), (9, False)):
        monkeypatch.setattr(session_module, "arrival", lambda arrived=arrived: arrived)
        assert ("data-picked" in after(search.searched("red", False, session)).panel) == picked


def test_how_the_query_fits_is_told_for_every_exit(selection: Selection, search: Search, session: Session) -> None:
    list(search.searched("red", False, session))
    assert after(selection.explained(session)).panel.count("--part") >= 3
    session.ask("")
    assert "Search for something first" in after(selection.explained(session)).panel


def test_full_depth_says_whether_the_ranking_changed_and_is_seen_there_at_once(
    selection: Selection, search: Search, session: Session, library: Library
) -> None:
    assert 'data-share="1.0000"' not in after(search.searched("red", False, session)).grid
    shown = after(selection.deepened(session))
    assert 'data-share="1.0000"' in shown.grid
    assert "You ran <b>1 photo</b> to full depth" in shown.answer
    assert shown.grid.count(" new") == 2, "from exit 1 on"
    html = shown.panel
    assert "The ranking did not change: </b>still at rank 1" in html.replace("change:</b> ", "change: </b>")
    assert "exit 3 of 3" in html
    assert "only you see this" in html
    assert get_photo(library, session.photo or 0).exit == 1, "the demo gallery’s index stays as it is"
    assert 'data-share="1.0000"' not in after(search.searched("red", False, session)).grid


@pytest.mark.parametrize(
    ("act", "place", "name"),
    [
        ("deepened", photo_module, "run_to_full_depth"),
        ("deepened", photo_views, "panel"),
        ("explained", photo_module, "explain_photo"),
        ("explained", photo_views, "panel"),
    ],
)
def test_what_was_asked_meanwhile_stays_on_show(
    selection: Selection,
    search: Search,
    session: Session,
    meanwhile: Meanwhile,
    act: str,
    place: ModuleType,
    name: str,
) -> None:
    list(search.searched("red", False, session))
    meanwhile(place, name, lambda: list(search.searched("blue", False, session)))
    assert not vars(after(getattr(selection, act)(session)))
    assert session.hits[0].photo.file == "blue-square.png"


def test_how_the_query_fits_is_told_of_a_photo_that_runs_to_full_depth_meanwhile(
    selection: Selection, search: Search, session: Session, meanwhile: Meanwhile
) -> None:
    list(search.searched("red", False, session))
    meanwhile(photo_module, "explain_photo", lambda: list(selection.deepened(session)))
    assert "exit 3 of 3" in after(selection.explained(session)).panel


def test_a_second_click_on_full_depth_leaves_what_is_told_of_the_first(
    selection: Selection, search: Search, session: Session
) -> None:
    list(search.searched("red", False, session))
    assert "It cost another" in after(selection.deepened(session)).panel
    assert not list(selection.deepened(session))


def test_a_photo_of_a_model_without_exits_has_a_panel(
    database: Database, page_over: Callable[[Library], Services], fake_encoder: FakeEncoder
) -> None:
    stages = tuple(replace(s, exit=1 if s.exit == fake_encoder.exits else None) for s in fake_encoder.stages)
    full = FakeEncoder(exits=1, exit_macs=(100,), stages=stages)
    services = page_over(Library(database, lambda: full))
    session = Session(gallery=services.demo.id)
    shown = after(Search(services, PARTS).searched("red", True, session))
    assert "went all the way" in shown.panel
    assert "at full depth: this model has no exit modules yet" in shown.headline
    overview = Overview(services, PARTS, Search(services, PARTS))
    assert "Where photos leave" in after(overview.shown(0.75, "", session)).histogram


def test_an_event_that_was_made_by_hand_is_a_sentence(
    search: Search, galleries: Galleries, selection: Selection, library: Library, holidays: int
) -> None:
    data: object
    for data in (None, {}, {"photo": [], "photos": {"a": 1}, "query": None}, []):
        event, mine = gr.EventData(None, data), Session(gallery=holidays)
        assert "search again" in after(selection.selected(event, mine)).panel
        assert after(search.suggestion_chosen(event, False, mine)).grid
        assert after(galleries.photos_deleted(event, mine)).grid
    assert summarize_gallery(library, holidays).photos == 2


def test_what_is_told_of_a_selected_photo_later_is_of_the_same_selection(
    selection: Selection, search: Search, session: Session
) -> None:
    def named(html: str) -> str:
        (found,) = re.findall(r"data-picked=(\w+)", html)
        return str(found)

    list(search.searched("red", False, session))
    photo = Event(photo=str(session.photo))
    first = named(after(selection.selected(photo, session)).panel)
    assert named(after(selection.explained(session)).panel) == first, "a sheet that was closed stays so"
    assert named(after(selection.deepened(session)).panel) == first
    assert named(after(selection.selected(photo, session)).panel) != first, "selected again, it comes up again"
