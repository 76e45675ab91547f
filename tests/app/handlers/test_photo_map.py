"""The map as it is drawn: a dot a photo, full where all was computed; drawn only for an open tab."""

from dataclasses import replace

from app.handlers import overview as overview_module
from app.handlers.overview import GALLERY, Overview
from app.handlers.search import Search
from app.services import Services
from app.session import Session
from app.views.photo_map import photo_map
from engine.gallery import ModelChanged, Place
from tests.app.shown_examples import EVIL, PARTS, PHOTO, after, plain
from tests.pictures import Meanwhile


def place(number: int, share: float = 0.7, exit: int = 2, file: str = "a.jpg") -> Place:
    return Place(replace(PHOTO, id=number, macs_share=share, exit=exit, file=file), 0.1 * number, 1.0)


def shown(*places: Place, photos: int = 3) -> str:
    return plain(photo_map(places, photos, lambda photo, size: f"photo/{photo.id}/{size}"))


def test_dots_are_as_full_as_their_photos_and_the_key_says_so() -> None:
    html = shown(place(1, 0.35, 1), place(2, 0.45, 1), place(3, 1.0, 3))
    assert 'fill-opacity="0.35" data-photo="1"' in html
    assert 'fill-opacity="1.00" data-photo="3" data-src="photo/3/grid"' in html
    assert "exit 1: 40 % computed, 2 photos" in html
    assert "exit 3: 100 % computed, 1 photo<" in html


def test_a_map_of_a_part_says_of_how_many() -> None:
    assert "(3 of its 7\u202f000 photos)" in shown(place(1), place(2), place(3), photos=7000)
    assert shown(place(1), place(2)) == ""


def test_names_are_text() -> None:
    assert "<script" not in shown(place(1), place(2), place(3, file=EVIL))


def test_it_is_drawn_for_an_open_tab(services: Services, session: Session) -> None:
    overview = Overview(services, PARTS, Search(services, PARTS))
    assert after(overview.map(session)).map.count("data-photo") == 3
    assert not vars(after(overview.map_if_open(session)))
    session.tab = GALLERY
    assert "Map of the gallery" in after(overview.map_if_open(session)).map
    session.gallery = 999
    assert after(overview.map(session)).map == ""


def test_neither_map_nor_figures_are_drawn_over_those_of_a_gallery_that_came_on_show_meanwhile(
    overview: Overview, session: Session, services: Services, holidays: int, meanwhile: Meanwhile
) -> None:
    for drawn_last, draw in (
        ("map_gallery", lambda: overview.map(session)),
        ("typical_photos", lambda: overview.shown(0.5, None, session)),
    ):
        session.gallery = services.demo.id
        meanwhile(overview_module, drawn_last, lambda: setattr(session, "gallery", holidays))
        assert not vars(after(draw()))


def test_that_a_model_has_changed_is_not_said_of_a_gallery_that_came_on_show_meanwhile(
    overview: Overview, session: Session, services: Services, holidays: int, meanwhile: Meanwhile
) -> None:
    def changed() -> None:
        session.gallery = holidays
        raise ModelChanged("Indexed by an earlier model: encode again.")

    for draw in (lambda: overview.map(session), lambda: overview.shown(0.5, None, session)):
        session.gallery = services.demo.id
        meanwhile(overview_module, "require_model", changed)
        assert not vars(after(draw()))
