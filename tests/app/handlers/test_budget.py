"""How deep photos go."""

import re
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import pytest

from app.handlers.albums import Albums
from app.handlers.budget import Budget
from app.handlers.comparison import Compare
from app.handlers.galleries import Galleries
from app.handlers.overview import Overview
from app.services import Services
from app.session import Session
from app.work import Stopped
from engine.exits.phrases import MOST_TYPED
from engine.gallery import EngineError, Library, Progress, reencode
from engine.gallery.galleries import list_photos, open_gallery, summarize_gallery
from engine.gallery.quotas import TooMuch
from engine.gallery.reencode import reencode_gallery
from engine.storage.collections import restamp
from engine.storage.schema import stamp_of
from tests.app.shown_examples import PARTS, after, plain
from tests.fake_encoder import FakeEncoder


def test_another_budget_says_what_it_would_run_before_it_does(budget: Budget, library: Library, holidays: int) -> None:
    session = Session(gallery=holidays)
    told = after(budget.previewed(1.0, "", session))
    assert "This raises its cost: 2 photos run deeper" in plain(re.sub(r"</?b>", "", told.budget_preview))
    assert told.apply["value"] == "Run 2 photos deeper"
    shown = after(budget.applied(1.0, "", session))
    assert "All photos of “Holidays” now have a budget of 100 %" in shown.applied, "another may be on show by then"
    assert "Indexed with 100 % of the full compute" in shown.applied
    assert not shown.stop_apply["visible"]
    assert summarize_gallery(library, holidays).exits == (0, 0, 2)
    assert "costs nothing" in after(budget.previewed(0.2, None, session)).budget_preview
    assert after(budget.previewed(0.2, "a rose", session)).apply["value"] == "Encode all photos anew"
    assert after(budget.previewed(0.2, "\n", session)).apply["value"] != "Encode all photos anew", "no phrase is named"


def test_a_gallery_without_photos_keeps_a_budget_for_those_to_come(budget: Budget, library: Library) -> None:
    session = Session(gallery=open_gallery(library, "Empty"))
    for looked_for in ("", "a rose"):
        told = after(budget.previewed(0.9, looked_for, session))
        assert "Nothing to tell yet" in told.budget_preview
        assert told.apply["value"] == "Keep this budget for new photos"


def test_what_people_will_look_for_is_remembered_until_it_is_taken_back(
    budget: Budget, galleries: Galleries, library: Library, holidays: int
) -> None:
    session = Session(gallery=holidays)
    outcome = after(budget.applied(0.75, " a kite \n\n# sky\na kite\na boat", session)).applied
    assert "now have a budget of 75 %" in outcome
    assert summarize_gallery(library, holidays).phrases == ("a kite", "a boat")
    assert after(galleries.settings(holidays, session)).looked_for == "a kite\na boat"
    many = "\n".join(map(str, range(MOST_TYPED + 1)))
    assert f"name {MOST_TYPED} at most" in after(budget.applied(0.75, many, session)).applied
    long = "a kite " * 30
    assert "say it in a few words" in after(budget.applied(0.75, long, session)).applied
    assert summarize_gallery(library, holidays).phrases == ("a kite", "a boat"), "what is refused changes nothing"
    list(budget.applied(0.75, "", session))
    assert summarize_gallery(library, holidays).phrases == ()
    assert after(galleries.settings(holidays, session)).looked_for == ""


def test_another_tab_has_the_budget_and_phrases_that_were_applied_unless_it_is_about_to_apply_its_own(
    budget: Budget, galleries: Galleries, holidays: int
) -> None:
    session, other = Session(gallery=holidays), Session(gallery=holidays)
    galleries.settings(holidays, session)
    galleries.settings(holidays, other)
    unchanged = after(galleries.shared(0.75, None, False, other))
    assert not hasattr(unchanged, "looked_for"), "or it would overtake what is typed"
    list(budget.applied(1.0, "a kite", session))
    seen = after(galleries.shared(0.75, None, False, other))
    assert (seen.budget, seen.looked_for) == (1.0, "a kite")
    list(budget.applied(0.75, "", other))
    assert not hasattr(after(galleries.shared(0.5, "a kite", False, session)), "budget"), "moved, and not applied yet"
    assert after(galleries.shared(1.0, "a kite", False, session)).looked_for == ""


def test_phrases_that_another_page_has_changed_stay_where_the_budget_alone_is_chosen(
    budget: Budget, galleries: Galleries, library: Library, holidays: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(gallery=holidays)
    galleries.settings(holidays, session)
    reencode_gallery(library, holidays, phrases=["a kite"])
    assert after(budget.previewed(1.0, "", session)).apply["value"] == "Run 2 photos deeper"
    list(budget.applied(1.0, "", session))
    assert summarize_gallery(library, holidays).phrases == ("a kite",)
    monkeypatch.setattr(reencode, "BATCH", 1)
    applying = budget.applied(1.0, "a boat", session)
    while "1 of 2" not in next(applying).get(PARTS.applied, ""):
        pass
    list(budget.applied(1.0, "", session))
    assert summarize_gallery(library, holidays).phrases == (), "taken back before all photos were encoded for them"


def test_phrases_can_be_taken_back_where_encoding_for_them_has_failed(
    budget: Budget, galleries: Galleries, library: Library, holidays: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(gallery=holidays)
    galleries.settings(holidays, session)
    with monkeypatch.context() as patched:
        patched.setattr(FakeEncoder, "encode", Mock(side_effect=EngineError("The disk is full.")))
        assert "The disk is full." in after(budget.applied(0.75, "a kite", session)).applied
    assert summarize_gallery(library, holidays).phrases == ("a kite",)
    list(budget.applied(0.75, "", session))
    assert summarize_gallery(library, holidays).phrases == ()


def test_what_another_gallery_is_encoded_for_meanwhile_can_be_asked_for_in_this_one(
    budget: Budget, galleries: Galleries, library: Library, holidays: int
) -> None:
    session = Session(gallery=holidays)
    galleries.settings(holidays, session)
    applying = budget.applied(0.75, "a kite", session)
    next(applying)
    session.gallery = open_gallery(library, "Another")
    galleries.settings(session.gallery, session)
    list(applying)
    list(budget.applied(0.75, "a kite", session))
    assert summarize_gallery(library, session.gallery).phrases == ("a kite",)


def test_a_files_many_phrases_stay_as_they_are_when_the_budget_alone_is_changed(
    budget: Budget, galleries: Galleries, library: Library, holidays: int
) -> None:
    of_a_file = tuple(f"a kite of {n}" for n in range(MOST_TYPED + 1))
    reencode_gallery(library, holidays, phrases=of_a_file)
    session = Session(gallery=holidays)
    shown = after(galleries.settings(holidays, session)).looked_for
    outcome = after(budget.applied(1.0, shown, session)).applied
    assert "now have a budget of 100 %" in outcome
    assert summarize_gallery(library, holidays).phrases == of_a_file


def test_photos_that_wait_are_not_said_to_be_missing(
    services: Services, budget: Budget, overview: Overview, galleries: Galleries, library: Library, holidays: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    session, albums, compare = Session(gallery=holidays), Albums(services, PARTS), Compare(services, PARTS)
    monkeypatch.setattr(reencode, "BATCH", 1)
    now = stamp_of(library.encoders.by(("a kite",)))
    for stamp in (replace(now, weights_hash="of an earlier model"), now):
        restamp(library.database, holidays, stamp, ["a kite"])
    shown = after(galleries.picked(holidays, False, session))
    assert "2 photos wait to be encoded" in shown.headline
    assert ("Holidays · 2", holidays) in after(galleries.choices(session)).gallery["choices"]
    for part in (shown.grid, after(albums.shown(session)).album_board, after(compare.shown(session)).race):
        assert "2 photos wait to be encoded" in part
        assert 'data-event="recode"' in part
    told = after(overview.shown(0.75, "a kite", session))
    assert "2 photos wait to be encoded" in told.figures
    assert told.apply["value"] == "Encode the 2 photos that wait"
    with pytest.raises(Stopped):
        reencode_gallery(library, holidays, on_progress=Mock(side_effect=Stopped))
    shown = after(galleries.picked(holidays, False, session))
    assert "1 photo waits to be encoded" in shown.headline
    assert shown.grid.count('class="hit"') == 1
    told = after(overview.shown(0.75, "a kite", session))
    assert told.apply["value"] == "Encode the 1 photo that waits"

    def stopped(*given: Any) -> None:
        given[3](Progress(0, 1, ()))
        raise Stopped

    with monkeypatch.context() as patched:
        patched.setattr("app.handlers.budget.reencode_gallery", stopped)
        assert "Stopped: 1 photo of 2 of “Holidays”" in after(budget.applied(0.75, "a kite", session)).applied
    assert "All photos" in after(budget.applied(0.75, "a kite", session)).applied
    assert "wait" not in after(galleries.picked(holidays, False, session)).headline


def test_photos_that_left_by_other_phrases_are_found_until_they_are_encoded_anew(
    budget: Budget, overview: Overview, galleries: Galleries, library: Library, holidays: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    session = Session(gallery=holidays)
    monkeypatch.setattr(reencode, "BATCH", 1)
    asked = after(budget.previewed(0.75, "a kite", session))
    assert (
        "all 2 photos are encoded anew, at about 75 % of a full encoding each. Searches find them meanwhile"
        in plain(re.sub(r"</?b>", "", asked.budget_preview))
    )
    with pytest.raises(Stopped):
        reencode_gallery(library, holidays, phrases=["a kite"], on_progress=Mock(side_effect=Stopped))
    shown = after(galleries.picked(holidays, False, session))
    assert "wait" not in shown.headline
    assert shown.grid.count('class="hit"') == 2
    told = after(overview.shown(0.75, "a kite", session))
    assert told.apply["value"] == "Encode 1 photo anew"
    said = plain(re.sub(r"</?b>", "", told.budget_preview))
    assert "1 photo is to be encoded anew, at about 75 % of a full encoding." in said
    assert "What ran stays" not in said
    assert "up to 2 photos" in after(budget.previewed(0.75, "", session)).budget_preview, "the other one left by none"
    after(budget.applied(0.75, "a kite", session))
    assert after(overview.shown(0.75, "a kite", session)).apply["value"] == "Keep this budget for new photos"


def test_a_photo_whose_kept_picture_is_gone_is_named(budget: Budget, library: Library, holidays: int) -> None:
    gone = list_photos(library, holidays)[0]
    library.picture_path(gone.content_hash).unlink()
    outcome = after(budget.applied(1.0, "", Session(gallery=holidays))).applied
    assert "All other photos of “Holidays” now have" in outcome
    assert f"{gone.file}</span><span>its kept picture is gone" in outcome


def test_a_gallery_that_is_gone_is_a_sentence(budget: Budget) -> None:
    assert "That did not work" in after(budget.applied(0.5, "", Session(gallery=999))).applied


def test_apply_cannot_be_pressed_in_vain_while_photos_run(
    services: Services, budget: Budget, library: Library, holidays: int
) -> None:
    session = Session(gallery=holidays)
    with services.access.work(session), services.access.work(session):  # all others wait in line
        applying = budget.applied(1.0, "", session)
        assert not after(next(applying)).apply["interactive"]
        next(applying)
        session.gallery = open_gallery(library, "Another")
        assert not after(budget.previewed(0.5, "", session)).apply["interactive"], "nor that of another gallery"
        services.stop("budget", session)
        assert after(applying).apply["interactive"]
    assert after(budget.previewed(0.5, "", session)).apply["interactive"]


def test_apply_that_is_refused_leaves_the_one_before_it_its_button(
    services: Services, budget: Budget, holidays: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(gallery=holidays)
    with services.access.work(session), services.access.work(session):  # all others wait in line
        applying = budget.applied(1.0, "", session)
        next(applying)
        next(applying)
        monkeypatch.setattr(services.access, "work", Mock(side_effect=TooMuch("One at a time.")))
        shown = after(budget.applied(0.5, "", session))
        assert "One at a time." in shown.applied
        assert shown.stop_apply["visible"], "what is under way can still be stopped"
        services.stop("budget", session)
        shown = after(applying)
    assert "Stopped" in shown.applied
    assert not shown.stop_apply["visible"]
