"""The screens to present."""

from dataclasses import replace

import pytest

from app.handlers.comparison import Compare
from app.handlers.picture_search import PictureSearch
from app.handlers.present import Present
from app.handlers.search import Search
from app.services import Services
from app.session import Session
from engine.gallery import Hit, Library, shipped_race
from engine.gallery.galleries import open_gallery
from tests.app.sending import Event
from tests.app.shown_examples import PARTS, PHOTO, after


@pytest.fixture
def present(services: Services) -> Present:
    return Present(services, PARTS)


def test_what_was_not_measured_here_is_the_shipped_measurement_and_named_so(
    present: Present,
    search: Search,
    session: Session,
    compare: Compare,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    list(search.searched("red", False, session))
    shown = after(present.presented(Event(), session)).screens
    assert "Shipped measurement of the demo gallery" in shown
    assert f"The same {shipped_race().measured.race.photos} photos of the demo gallery" in shown
    assert shipped_race().machine in shown
    list(compare.raced(session))
    shown = after(present.presented(Event(screen="4"), session)).screens
    assert "on this machine" in shown
    assert "photos of the demo gallery" not in shown
    raced = services.comparison.last(session.gallery or 0)
    assert raced is not None
    monkeypatch.setattr(services.comparison, "last", lambda _: replace(raced, budget=1.0, macs_share=1.0))
    assert "on this machine" in after(present.presented(Event(screen="4"), session)).screens, "at whatever budget"


def test_what_ran_for_a_search_is_striped_as_among_its_results(
    present: Present, search: Search, session: Session
) -> None:
    list(search.searched("red + green", True, session))
    assert "striped: for this search" in after(present.presented(Event(), session)).screens
    list(search.asked_again(False, session))
    assert "striped" not in after(present.presented(Event(), session)).screens


def test_the_first_screen_shows_an_early_and_a_deep_photo_where_the_first_dozen_has_both(
    present: Present, session: Session
) -> None:
    for exits, shown in (([1] * 5 + [3, 2], [0, 1, 2, 5]), ([1, 1, 2, 1, 3], [0, 1, 2, 3]), ([1] * 9, [0, 1, 2, 3])):
        session.hits = [Hit(n + 1, 0.5, replace(PHOTO, id=n, exit=exit)) for n, exit in enumerate(exits)]
        assert [photo.id for photo in present._story(session).answers] == shown


def test_the_first_screen_shows_of_photos_that_are_nearly_the_same_one_while_there_are_others(
    present: Present, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.handlers.present.stacks_among", lambda _, ids: [[0, 1, 3]])
    for many, shown in ((6, [0, 2, 4, 5]), (4, [0, 2, 1, 3])):
        session.hits = [Hit(n + 1, 0.5, replace(PHOTO, id=n)) for n in range(many)]
        assert [photo.id for photo in present._story(session).answers] == shown


def test_a_picture_that_was_searched_with_is_called_one(
    present: Present, picture_search: PictureSearch, session: Session
) -> None:
    list(picture_search.more_like_this(Event(photo="1"), False, session))
    shown = after(present.presented(Event(), session)).screens
    assert "“the picture” among" in shown
    assert "photo:" not in shown


def test_a_gallery_with_too_little_in_it_leaves_the_stage_to_the_demos(present: Present, library: Library) -> None:
    shown = after(present.presented(Event(), Session(gallery=open_gallery(library, "Empty")))).screens
    assert "Demo gallery" in shown
    assert "red square" in shown
    first, second, *_ = shown.split("<section")[1:]
    assert "among 3 photos of the demo gallery" in first
    assert "photos of the demo gallery" in second
    assert "Indexing “Demo gallery” took" in shown


def test_what_cannot_be_presented_is_said_where_the_button_is(present: Present) -> None:
    shown = after(present.presented(Event(), Session(gallery=999)))
    assert "not there any more" in shown.notice
    assert not hasattr(shown, "screens"), "these are below all photos"
