"""Who may see and change what."""

import pytest

from app.access import Access, NotYours
from app.demo import Demo
from app.session import Session
from engine.gallery import Library
from engine.gallery.galleries import list_photos, publish_gallery
from engine.gallery.quotas import Visitors
from engine.storage.database import Database
from engine.storage.schema import GalleryMissing, PhotoMissing


def test_a_stranger_reaches_the_demo_and_what_was_published_to_them(
    database: Database, library: Library, holidays: int, demo: Demo
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
