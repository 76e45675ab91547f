"""Files on their way in."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from app.handlers.add_photos import AddPhotos
from app.handlers.comparison import COMPARE, Compare
from app.handlers.galleries import Galleries
from app.parts import Updates
from app.services import Services
from app.session import Session
from app.uploading.inbox import MOST_FILES
from app.uploading.incoming import Incoming
from engine.gallery import Library
from engine.gallery.galleries import delete_gallery, find_gallery, summarize_gallery
from tests.app.sending import Event, announced, line, uploaded
from tests.app.shown_examples import PARTS, after
from tests.fake_encoder import FakeEncoder

Add = Callable[..., Iterator[Updates]]  # to a gallery of that name, files by their names


@pytest.fixture(autouse=True)
def _drawn_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.handlers.add_photos.REDRAWN", 0.02)


@pytest.fixture
def add(add_photos: AddPhotos, services: Services, session: Session, dropped: Callable[..., list[str]]) -> Add:
    """Drops files into a gallery; what is told of them until it is over."""

    def begin(name: str, **contents: str | bytes) -> Iterator[Updates]:
        return uploaded(add_photos, services, dropped(**contents), name, session)

    return begin


def test_the_name_of_a_gallery_that_is_made_keeps_its_signs(add: Add, session: Session) -> None:
    shown = after(add("Bavaria / <Tyrol>", red="red"))
    assert "“Bavaria / &lt;Tyrol&gt;”" in shown.report
    assert ("Bavaria / <Tyrol> · 1", session.gallery) in shown.gallery["choices"]


def test_good_files_are_stored_and_bad_ones_named(add: Add) -> None:
    shown = after(add("Holidays", yellow="yellow", text=b"hello", empty=b"", green="green"))
    report, choice = shown.report, shown.gallery
    assert "2</b> photos added to “Holidays”" in report
    assert "text</span>" in report
    assert "empty</span>" in report
    assert not shown.stop_upload["visible"]
    assert ("Holidays · 2", choice["value"]) in choice["choices"]
    assert (shown.query, shown.browser["gallery"]) == ("", choice["value"])
    assert "<b>2 photos</b>" in shown.headline
    assert shown.grid.count('class="hit"') == 2


def test_a_photo_keeps_the_name_that_it_was_announced_under(
    add_photos: AddPhotos, services: Services, session: Session, dropped: Callable[..., list[str]]
) -> None:
    file = Path(*dropped(**{'a "b" (1).png': "red"}))
    told, incoming = announced(add_photos, services, [str(file)], "Holidays", session)
    assert incoming is not None
    incoming.put({0: file.rename(file.with_name("a 22b22 1.png"))})  # as a form's file is kept
    assert 'data-name="a &quot;b&quot; (1).png"' in after(told).grid


def test_words_that_are_being_typed_stay_when_photos_have_come(add: Add, session: Session) -> None:
    session.welcomed = True
    session.ask("dog")
    assert after(add("Holidays", yellow="yellow")).query == "", "what was asked of the gallery before"
    session.ask("")
    assert not hasattr(after(add("Holidays", green="green")), "query")


def test_bad_files_alone_leave_no_gallery_behind_and_the_visitor_where_they_were(
    add: Add, session: Session, library: Library
) -> None:
    before = session.gallery
    shown = after(add("Holidays", letter=b"Dear Sir", other=b"Dear Madam"))
    assert "No photo was added to “Holidays”" in shown.report
    assert "2 files were left out" in shown.report
    assert find_gallery(library, "Holidays") is None
    assert session.gallery == before


def test_a_gallery_that_is_deleted_takes_what_was_told_of_its_photos_along(
    add: Add, add_photos: AddPhotos, galleries: Galleries, session: Session
) -> None:
    list(add("Holidays", red="red"))
    list(add("Short lived", blue="blue"))
    list(galleries.deleted(session.gallery, False, session))
    told = after(add_photos.told(session))
    assert "Short lived" not in told.report + told.arriving
    assert "Holidays" in told.report


def test_photos_follow_a_gallery_that_another_tab_has_renamed(
    add: Add, galleries: Galleries, session: Session, library: Library
) -> None:
    list(add("Holidays", red="red"))
    galleries.renamed("Sea", session.gallery, Session(gallery=session.gallery))
    assert "1</b> photo added to “Sea”" in after(add("Holidays", blue="blue")).report
    assert find_gallery(library, "Holidays") is None
    list(add("Holidays", green="green"))
    assert find_gallery(library, "Holidays") == session.gallery, "typed anew, for “Sea” stands in the box by now"


def test_all_that_is_dropped_follows_a_gallery_that_another_tab_has_renamed(
    add: Add, galleries: Galleries, session: Session, library: Library
) -> None:
    list(add("Holidays", red="red"))
    galleries.renamed("Sea", session.gallery, Session(gallery=session.gallery))
    both = add("Holidays", blue="blue"), add("Holidays", green="green")  # so it says in the box until one is over
    reports = [after(told).report for told in both]
    assert reports[-1].count("photo added to “Sea”") == 3
    assert find_gallery(library, "Holidays") is None


def test_who_has_gone_on_to_something_else_is_not_taken_away_from_it(add: Add, session: Session) -> None:
    telling, before = add("Holidays", red="red"), session.gallery
    session.ask("blue")
    shown = after(telling)
    assert "1</b> photo added" in shown.report
    assert (session.gallery, session.words) == (before, "blue")
    assert not hasattr(shown, "grid")


def test_who_reads_in_another_tab_is_told_and_left_there(add: Add, add_photos: AddPhotos, session: Session) -> None:
    telling, before = add("Holidays", red="red"), session.gallery
    session.tab = "Results"
    shown = after(telling)
    assert "1</b> photo added" in shown.arriving
    assert session.gallery == before
    assert not hasattr(shown, "headline")
    assert not hasattr(shown, "grid")
    assert not hasattr(shown, "query")
    (new,) = {number for _, number in shown.gallery["choices"]} - {before}
    told = after(add_photos.shown(Event(gallery=str(new)), session))
    assert told.gallery["value"] == new
    assert told.report == told.arriving == "", "nothing more is to be told of it"
    telling = add("Holidays", blue="blue")
    session.tab = "Results"
    assert "<b>2 photos</b>" in after(telling).headline, "of the gallery on show"


def test_who_has_seen_photos_come_in_is_told_of_them_in_other_tabs_only_where_some_are_missing(
    add: Add, add_photos: AddPhotos, session: Session
) -> None:
    shown = after(add("Holidays", red="red"))
    assert "added" in shown.report
    assert 'data-state="done" hidden' in shown.arriving, "the page's script reads it all the same"
    shown = after(add("Sea", blue="blue", letter=b"Dear Sir"))
    assert 'data-event="look">Details' in shown.arriving
    told = after(add_photos.shown(Event(gallery=str(session.gallery)), session))
    assert "letter</span>" in told.report, "until it is dismissed"
    assert told.arriving.count("<p ") - told.arriving.count(" hidden") == 1


def test_an_upload_whose_gallery_is_deleted_meanwhile_leaves_the_visitor_where_they_are(
    add: Add, services: Services, session: Session
) -> None:
    telling, before = add("Holidays", red="red"), session.gallery
    next(telling)
    (incoming,) = services.inbox.unread(None)
    while not incoming.over:
        incoming.wait(1)
    delete_gallery(services.library, incoming.gallery)
    shown = after(telling)
    assert session.gallery == before
    assert not hasattr(shown, "grid")


def test_stop_keeps_what_is_done_and_names_the_rest(
    add: Add,
    add_photos: AddPhotos,
    session: Session,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tell = Incoming.tell

    def stop_after_a_group(incoming: Incoming, now: Any) -> None:
        tell(incoming, now)
        if incoming.done:
            add_photos.stopped(session)

    monkeypatch.setattr(Incoming, "tell", stop_after_a_group)
    events = add("Holidays", letter=b"Dear Sir", **{f"p{i}": (i, 2, 3) for i in range(100)})  # four groups
    (incoming,) = services.inbox.unread(None)
    report = after(events).report
    kept = summarize_gallery(services.library, incoming.gallery).photos
    assert 31 <= kept < 100
    assert (kept + 1) % 32 == 0, "whole groups, the first with a file that is no picture"
    assert f"{kept}</b> photos added to “Holidays”" in report
    assert f"{101 - kept - 1} files were not taken in when you stopped it" in report
    assert "<span>letter</span>" in report, "bad files until then are named"


def test_a_race_that_goes_on_is_not_stopped_by_the_uploads_button(
    add: Add, add_photos: AddPhotos, session: Session, services: Services
) -> None:
    compare = Compare(services, PARTS)
    with services.access.work(session), services.access.work(session):  # both wait in line
        uploading, racing = add("Holidays", red="red"), compare.raced(session)
        for begun in (uploading, racing):
            next(begun)
            next(begun)
        add_photos.stopped(session)
        assert "No photo was added" in after(uploading).report
        services.stop("race", session)
        assert "Stopped" in after(racing).race


def test_nothing_stays_in_the_folder_that_files_arrive_in(add: Add, tmp_path: Path) -> None:
    report = after(add("", red="red", same="red", text=b"hello")).report
    assert "1</b> photo added" in report
    assert "1 was here already" in report
    assert not (tmp_path / "cache").exists()


def test_an_ingest_that_fails_says_so_to_the_visitor(add: Add, fake_encoder: FakeEncoder) -> None:
    list(add("Holidays", red="red"))
    fake_encoder.identity = replace(fake_encoder.identity, weights="c" * 64)
    report = after(add("Holidays", blue="blue")).report
    assert "It ended early" in report
    assert "encode its photos again" in report


def test_an_ingest_goes_on_when_the_visitor_leaves(add: Add, library: Library) -> None:
    events = add("Holidays", red="red", blue="blue")
    next(events)
    events.close()  # type: ignore[attr-defined]
    for thread in threading.enumerate():
        if thread.name == "intake":
            thread.join(10)
    gallery = find_gallery(library, "Holidays")
    assert gallery is not None
    assert summarize_gallery(library, gallery).photos == 2


def until_over(add_photos: AddPhotos, session: Session) -> Iterator[Updates]:
    """What a page is told of an upload that it does not send."""
    coming = True
    while coming:
        told = add_photos.followed(session)
        coming = told[PARTS.coming]["active"]
        yield told
        time.sleep(0.01)


def test_what_did_not_arrive_is_named_after_a_reload_and_need_alone_be_sent_again(
    add_photos: AddPhotos,
    services: Services,
    session: Session,
    dropped: Callable[..., list[str]],
) -> None:
    files = dropped(red="red", letter=b"Dear Sir", blue="blue", green="green")
    telling, incoming = announced(add_photos, services, files, "Holidays", session)
    assert incoming is not None
    lines = incoming.files
    incoming.put({number: Path(files[number]) for number in (0, 1)})
    next(telling)
    incoming.leave()  # the page is loaded again
    again = Session(gallery=session.gallery)
    assert after(add_photos.resumed(again)).add_to == "Holidays"
    told = after(until_over(add_photos, again))
    assert "1</b> photo added" in told.report
    assert "2 files had not arrived" in told.report
    assert "<span>blue</span>" in told.report
    assert "<span>green</span>" in told.report
    assert "2 files had not arrived" in told.arriving

    events = add_photos.begun(Event(nonce="m", files="\n".join(lines)), "Holidays", again)
    assert 'data-event="dismiss"' not in after(iter([next(events)])).arriving, "it is on its way"
    second = services.inbox.unread(None)[0]
    assert second.settled() == [0, 1]
    second.put({2: Path(files[2]), 3: Path(files[3])})
    told = after(events)
    report = told.report
    assert "2</b> photos added" in report
    assert 'data-event="dismiss"' in told.arriving
    assert "1 file was left out" in report, "the bad file is still named, though it was not sent again"
    assert "had not arrived" not in report, "the report before it is settled by this one"
    assert after(add_photos.dismissed(again)).report == ""
    assert add_photos.resumed(again) == {PARTS.coming: gr.update(active=False)}


def test_the_head_counts_what_an_upload_has_brought_that_was_on_its_way_as_the_page_was_loaded_again(
    add: Add,
    add_photos: AddPhotos,
    services: Services,
    session: Session,
    dropped: Callable[..., list[str]],
) -> None:
    list(add("Holidays", red="red"))
    files = dropped(blue="blue", green="green")
    telling, incoming = announced(add_photos, services, files, "Holidays", session)
    assert incoming is not None
    again = Session(gallery=incoming.gallery)
    told = after(add_photos.resumed(again))
    assert not hasattr(told, "headline")
    assert not hasattr(told, "gallery"), "it may be open"
    incoming.put(dict(enumerate(map(Path, files))))
    list(telling)
    told = after(add_photos.followed(again))
    assert "3 photos" in told.headline
    assert ("Holidays · 3", incoming.gallery) in told.gallery["choices"]


def test_an_upload_that_nothing_is_known_of_any_more_is_told_of_and_no_other(
    add: Add, add_photos: AddPhotos, session: Session
) -> None:
    list(add("Holidays", red="red"))
    assert add_photos.cut_short(Event(nonces="n"), session)[PARTS.notice] == gr.skip(), "its report is there"
    assert "started anew" in add_photos.cut_short(Event(nonces="n m"), session)[PARTS.notice], "m waited behind it"


def test_after_a_reload_an_upload_that_is_complete_offers_no_gallery(
    add: Add, add_photos: AddPhotos, session: Session
) -> None:
    demo = session.gallery
    list(add("Holidays", red="red"))
    told = after(add_photos.resumed(Session(gallery=demo)))
    assert "1</b> photo added to “Holidays”" in told.report
    assert not hasattr(told, "add_to")


def test_after_a_reload_the_rest_of_an_upload_goes_to_its_gallery_under_a_new_name(
    add_photos: AddPhotos,
    services: Services,
    galleries: Galleries,
    session: Session,
    dropped: Callable[..., list[str]],
) -> None:
    files = dropped(red="red", blue="blue")
    telling, incoming = announced(add_photos, services, files, "Holidays", session)
    assert incoming is not None
    incoming.put({0: Path(files[0])})
    incoming.leave()
    list(telling)
    galleries.renamed("Sea", session.gallery, session)
    told = after(add_photos.resumed(Session(gallery=session.gallery)))
    assert told.add_to == "Sea"
    assert "1</b> photo added to “Sea”" in told.report


def test_a_name_that_is_typed_while_photos_come_in_stays_until_it_is_used(
    add: Add, add_photos: AddPhotos, session: Session
) -> None:
    add_photos.named("Walls", session)
    assert after(add("Walls", red="red")).add_to == "Walls"
    telling = add("Walls", blue="blue")
    add_photos.named("Sea", session)
    assert not hasattr(after(telling), "add_to")
    telling = add("Sea", green="green")
    add_photos.named("Sea", session)  # what was told of the typing may come last
    assert after(telling).add_to == "Sea"


def test_all_files_of_a_drop_go_to_the_gallery_that_was_named_then(
    add_photos: AddPhotos,
    services: Services,
    galleries: Galleries,
    holidays: int,
    dropped: Callable[..., list[str]],
) -> None:
    red, blue = map(Path, dropped(red="red", blue="blue"))
    mine = Session(gallery=holidays)
    add_photos.dropped(Event(drop="d"), "Holidays", mine)
    next(add_photos.begun(Event(drop="d", nonce="n", files=line(red)), "Sea", mine))
    galleries.renamed("Walls", holidays, mine)
    next(add_photos.begun(Event(drop="d", nonce="m", files=line(blue)), "Sea", mine))
    assert [incoming.gallery for incoming in services.inbox.unread(None)] == [holidays, holidays]
    add_photos.stopped(mine)


def test_a_drop_over_the_comparison_opens_the_tab_that_tells_of_it(add: Add, session: Session) -> None:
    session.tab = COMPARE
    assert after(add("Holidays", red="red")).tabs["selected"] == "add"


def test_each_of_two_pages_that_send_at_once_hears_of_its_own_upload(
    add_photos: AddPhotos, services: Services, session: Session, dropped: Callable[..., list[str]]
) -> None:
    red, blue = map(Path, dropped(red="red", blue="blue"))
    earlier = add_photos.begun(Event(nonce="earlier", files=line(red)), "Walls", session)
    next(earlier)
    later = add_photos.begun(Event(nonce="later", files=line(blue)), "Sea", Session(gallery=session.gallery))
    assert states(after(next(later)).arriving) == {"later": "coming", "earlier": "coming"}
    second, first = services.inbox.unread(None)
    first.put({0: red})
    assert states(after(earlier).arriving) == {"later": "coming", "earlier": "done"}
    second.put({0: blue})
    assert states(after(later).arriving) == {"later": "done", "earlier": "done"}


def states(lines: str) -> dict[str, str]:
    """How each upload stands, by what the page that sends it called it."""
    return dict(re.findall(r'data-nonce="(\w+)" data-state="(\w+)"', lines))


def test_an_upload_that_is_refused_leaves_no_gallery(add_photos: AddPhotos, library: Library, session: Session) -> None:
    many = "\n".join(f"1/2/{number}.jpg" for number in range(MOST_FILES + 1))
    told = after(add_photos.begun(Event(nonce="n", files=many), "Too many", session))
    assert "2000 files" in told.report
    assert find_gallery(library, "Too many") is None


def test_what_became_of_an_upload_is_told_beside_one_that_is_refused(
    add: Add, add_photos: AddPhotos, session: Session
) -> None:
    after(add("Holidays", red="red", text=b"hello"))
    folder = after(add_photos.from_folder("/no/such/folder", "Holidays", session))
    many = "\n".join(f"1/2/{number}.jpg" for number in range(MOST_FILES + 1))
    files = after(add_photos.begun(Event(nonce="n", files=many), "Holidays", session))
    for told in (folder, files):
        assert told.report.startswith('<div class="note problem"')
        assert "1 file was left out" in told.report
        assert "1</b> photo added to “Holidays”" in told.arriving


def test_a_folder_of_this_machine_is_taken_in_by_its_owner_only(
    add_photos: AddPhotos, folder: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(place: object) -> str:
        return str(after(add_photos.from_folder(str(place), "Colours", session)).report)

    assert "3</b> photos added to “Colours”" in said(folder)
    assert "is not a folder" in said(folder / "none")
    for nowhere in ("nul\0inside", "~nobody-of-that-name/photos", " "):
        assert "That did not work" in said(nowhere)
    (folder / "empty").mkdir()
    assert "no picture in that folder" in said(folder / "empty")
    monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
    assert "only on the machine itself" in said(folder)


def test_another_page_asks_after_an_upload_until_it_is_over(
    add_photos: AddPhotos, services: Services, session: Session
) -> None:
    services.inbox.begin(session.owner, services.demo.id, "Mine", ["1/1/a.jpg"])
    for told in (add_photos.resumed(session), add_photos.followed(session)):
        assert told[PARTS.coming] == gr.update(active=True)
    services.inbox.unread(session.owner)[0].end()
    told = add_photos.followed(session)
    assert "No photo was added" in told[PARTS.report]
    assert told[PARTS.coming] == gr.update(active=False)
