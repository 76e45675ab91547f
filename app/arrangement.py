"""Which photos of a gallery a session sees, and in which order: the year and the order that were chosen."""

from typing import get_args

from app.session import Session
from engine.gallery import GallerySummary, Library, Order, Photo, list_photos, years_of


def arrange(session: Session, order: str, year: str) -> None:
    """Have the order and the year that the page names; an order that there is not leaves it as it is."""
    session.order = next((known for known in get_args(Order) if known == order), session.order)
    session.year = int(year) if year.isdecimal() and len(year) <= 4 else None


def settle_year(library: Library, session: Session) -> None:
    """Look for no year that the gallery on show has no photos of."""
    if session.year is not None and session.year not in years_of(library, session.gallery or 0):
        session.year = None


def first_photos(library: Library, session: Session, summary: GallerySummary, many: int) -> list[Photo]:
    """A gallery's first photos in the chosen order, of the chosen year."""
    return list_photos(library, summary.id, many, session.order, session.year)


def count_photos(library: Library, session: Session, summary: GallerySummary) -> int:
    """How many photos of a gallery are of the chosen year."""
    return summary.photos if session.year is None else years_of(library, summary.id).get(session.year, 0)
