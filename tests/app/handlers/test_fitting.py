from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import pytest

from app.handlers.fitting import Fitting
from app.services import Services
from app.session import Session
from engine.exits import certificate
from engine.gallery import Library, Upload
from engine.gallery.galleries import list_photos, open_gallery
from engine.gallery.ingest import ingest_files
from engine.gallery.quotas import Visitors
from engine.gallery.search import search_photos
from engine.storage.database import Database
from engine.training import gates, readouts
from engine.utils.errors import ModelUnreadable
from tests import tiny_models
from tests.app.shown_examples import PARTS, after
from tests.pictures import encoded

MANY = 110


@pytest.fixture
def services(
    database: Database,
    page_over: Callable[[Library], Services],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Services:
    """A page over a real encoder that has no exits."""
    monkeypatch.setattr(readouts, "FEWEST_STEPS", 20)
    monkeypatch.setattr(gates, "STEPS", 30)
    monkeypatch.setattr(certificate, "ENOUGH", 0.0)  # a random model's exits find little
    encoder = tiny_models.bare(tmp_path / "exits")
    return page_over(Library(database, lambda: encoder))


def filled(services: Services, many: int) -> Session:
    gallery = open_gallery(services.library, "mine")
    pictures = enumerate(tiny_models.pictures(many, 32))
    files = [Upload(f"{i}.png", partial(encoded, picture, "PNG")) for i, picture in pictures]
    ingest_files(services.library, gallery, files)
    return Session(gallery=gallery)


def test_a_gallery_gets_exits_and_its_photos_leave_at_them(services: Services) -> None:
    session = filled(services, MANY)
    offered = after(Fitting(services, PARTS).offered())
    assert "tiny has no exit modules" in offered.no_exits
    assert offered.fit["visible"]
    said = [after(changes).no_exits for changes in Fitting(services, PARTS).fitted(session)]
    assert any("training readouts" in line for line in said)
    assert "Photos leave early" in said[-1]
    offered = after(Fitting(services, PARTS).offered())
    assert (offered.no_exits, offered.fit["visible"]) == ("", False)
    assert session.gallery is not None
    photos = list_photos(services.library, session.gallery, limit=MANY)
    assert {photo.exits for photo in photos} == {services.library.encoder.exits}
    assert search_photos(services.library, session.gallery, "a dog", 5)


def test_exits_that_do_not_pay_are_said_and_not_used(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate, "ENOUGH", 101.0)
    said = after(Fitting(services, PARTS).fitted(filled(services, MANY))).no_exits
    assert "Exits do not pay for this model on these photos: run full depth." in said
    assert services.library.encoder.exits == 1


def test_too_few_photos_is_a_sentence_and_can_be_tried_again(services: Services) -> None:
    shown = after(Fitting(services, PARTS).fitted(filled(services, 20)))
    assert "at least 100 are needed" in shown.no_exits
    assert shown.fit["visible"]


def test_a_model_that_is_everyones_is_not_a_visitors_to_change(services: Services) -> None:
    services = replace(services, visitors=Visitors(services.library))
    assert not after(Fitting(services, PARTS).offered()).fit["visible"]


def test_a_model_that_cannot_be_loaded_is_a_sentence(database: Database, services: Services) -> None:
    broken = Mock(side_effect=ModelUnreadable("The weights cannot be loaded; restore them."))
    offered = after(Fitting(replace(services, library=Library(database, broken)), PARTS).offered())
    assert "restore them" in offered.no_exits
    assert not offered.fit["visible"]
