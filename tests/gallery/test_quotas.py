"""Strangers have what is theirs, within limits, and it is gone when they have been away for long."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from unittest.mock import Mock

import pytest

from engine.gallery import Library, Upload
from engine.gallery.galleries import (
    delete_gallery,
    get_photo,
    list_galleries,
    list_photos,
    open_gallery,
    summarize_gallery,
)
from engine.gallery.ingest import ingest_files
from engine.gallery.quotas import DAY, HOUR, PAGE, Limits, TooMuch, Visitors
from engine.gallery.search import search_photos
from engine.ingest.image import ImageRejected
from engine.storage.database import Database, StoreUnusable
from engine.storage.schema import GalleryMissing, PhotoMissing
from engine.storage.visitors import mark_seen, unseen_since
from tests.pictures import Fill, MakeUpload

pytestmark = pytest.mark.both_databases


@pytest.fixture
def visitors(library: Library) -> Visitors:
    return Visitors(library, Limits(galleries=2, photos=3, bytes=10_000, at_once=2, days=7.0))


def test_a_token_is_kept_and_one_that_we_did_not_give_is_not(visitors: Visitors) -> None:
    token, owner = visitors.recognised(None)
    assert visitors.recognised(token) == (token, owner)
    for forged in ("", "me", owner, "x" * 42, "ü" * 43, 7, ["x"], {"a": 1}):
        other, stranger = visitors.recognised(forged)
        assert stranger != owner
        assert other not in (forged, token)


def test_who_reads_the_database_cannot_become_a_visitor(visitors: Visitors, database: Database) -> None:
    token, owner = visitors.recognised(None)
    visitors.admit(owner, "mine")
    kept = unseen_since(database, before=2e10)
    assert kept == [owner]
    assert token not in kept
    assert visitors.recognised(owner)[1] != owner


def test_who_only_looks_leaves_nothing_and_waits_for_no_lock(visitors: Visitors, database: Database) -> None:
    for _ in range(60):
        _, owner = visitors.recognised("A" * 43)
        with visitors.turn(owner), visitors.turn(visitors.recognised(None)[1]):
            pass
    visitors.write_down()
    assert unseen_since(database, before=2e10) == []


def test_who_came_while_the_database_could_not_be_written_to_is_written_down_later(
    visitors: Visitors, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, owner = visitors.recognised(None)
    visitors.admit(owner, "mine")
    gallery = open_gallery(library, "mine", owner=owner)
    mark_seen(library.database, owner, 0.0)
    with monkeypatch.context() as patched:
        patched.setattr("engine.gallery.quotas.mark_seen", Mock(side_effect=StoreUnusable("The disk is full.")))
        visitors.recognised(token)
        with pytest.raises(StoreUnusable):
            visitors.write_down()
    visitors.write_down()
    assert visitors.expire() == 0
    assert summarize_gallery(library, gallery).owner == owner


def test_a_visitor_whose_files_take_long_and_are_no_pictures_is_looked_at_no_more(
    library: Library, upload: MakeUpload, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: object) -> None:
        looked_at.append(True)
        time.sleep(0.02)
        raise ImageRejected("a", "takes too long to decode")

    looked_at: list[bool] = []
    monkeypatch.setattr("engine.ingest.decode.decode", slow)
    visitors = Visitors(library, Limits(wasted=0.01))
    _, owner = visitors.recognised(None)
    gallery = open_gallery(library, "mine", owner=owner)
    for number in range(3):  # another upload does not help
        files = [upload(f"{number}-{place}", bytes([number, place])) for place in range(2)]
        report = ingest_files(library, gallery, visitors.within(owner, gallery, files))
    assert len(looked_at) == 1
    assert {"not looked at" in skipped.reason for skipped in report.skipped} == {True}
    unread = Upload("a.png", lambda: pytest.fail("it was read"))
    assert ingest_files(library, gallery, visitors.within(owner, gallery, [unread])).skipped


def test_galleries_are_counted(visitors: Visitors, library: Library) -> None:
    _, owner = visitors.recognised(None)
    for name in ("one", "two"):
        visitors.admit(owner, name)
        open_gallery(library, name, owner=owner)
    visitors.admit(owner, "two")
    with pytest.raises(TooMuch, match="2 galleries"):
        visitors.admit(owner, "three")
    visitors.admit(visitors.recognised(None)[1], "three")


def test_photos_over_the_limit_are_named_and_the_others_kept(
    visitors: Visitors, library: Library, upload: MakeUpload
) -> None:
    _, owner = visitors.recognised(None)
    gallery = open_gallery(library, "mine", owner=owner)
    colours = ["red", "green", "blue", "yellow", "grey"]
    report = ingest_files(
        library, gallery, visitors.within(owner, gallery, [upload(colour, colour) for colour in colours])
    )
    assert report.added == 3
    assert [skipped.reason for skipped in report.skipped] == ["over the limit of 3 photos for a visitor"] * 2
    again = ingest_files(library, gallery, visitors.within(owner, gallery, [upload("white", "white")]))
    assert again.added == 0


def test_what_does_not_become_a_photo_takes_no_room_that_lasts(
    visitors: Visitors, library: Library, upload: MakeUpload
) -> None:
    _, owner = visitors.recognised(None)
    gallery = open_gallery(library, "mine", owner=owner)
    ingest_files(library, gallery, visitors.within(owner, gallery, [upload(f"{n}", b"no photo") for n in range(3)]))
    assert ingest_files(library, gallery, visitors.within(owner, gallery, [upload("a", "red")])).added == 1


def test_bytes_are_counted_over_all_galleries(visitors: Visitors, library: Library, upload: MakeUpload) -> None:
    _, owner = visitors.recognised(None)
    first, second = (open_gallery(library, name, owner=owner) for name in ("one", "two"))
    padded = upload("a", "red").read() + bytes(6_000)
    ingest_files(library, first, visitors.within(owner, first, [upload("a", padded)]))
    report = ingest_files(library, second, visitors.within(owner, second, [upload("b", padded)]))
    assert report.skipped[0].reason == "over the limit of 0 MB for a visitor"


def test_what_is_kept_already_takes_no_room_however_full_it_is(
    visitors: Visitors, library: Library, upload: MakeUpload
) -> None:
    _, owner = visitors.recognised(None)
    gallery = open_gallery(library, "mine", owner=owner)
    kept = [upload(c, c) for c in ("red", "green")]
    ingest_files(library, gallery, kept)
    twice = [upload("blue", "blue"), upload("again", "blue")]
    report = ingest_files(
        library, gallery, visitors.within(owner, gallery, [*kept, *twice, *kept, upload("grey", "grey")])
    )
    assert (report.added, report.duplicates) == (1, 5)
    assert [(skipped.file, skipped.reason) for skipped in report.skipped] == [
        ("grey", "over the limit of 3 photos for a visitor")
    ]
    full = ingest_files(library, gallery, visitors.within(owner, gallery, kept))
    assert (full.added, full.duplicates, full.skipped) == (0, 2, ())


def test_a_photo_of_another_gallery_takes_room_in_this_one(
    visitors: Visitors, library: Library, upload: MakeUpload
) -> None:
    _, owner = visitors.recognised(None)
    first, second = (open_gallery(library, name, owner=owner) for name in ("one", "two"))
    colours = [upload(c, c) for c in ("red", "green", "blue")]
    ingest_files(library, first, colours)
    assert len(ingest_files(library, second, visitors.within(owner, second, colours)).skipped) == 3


def test_the_limit_holds_when_many_are_read_at_once(visitors: Visitors, library: Library, upload: MakeUpload) -> None:
    _, owner = visitors.recognised(None)
    gallery = open_gallery(library, "mine", owner=owner)
    uploads = visitors.within(owner, gallery, [upload(f"{n}", (n, 2, 3)) for n in range(16)])

    def is_read(one: Upload) -> bool:
        with suppress(ImageRejected):
            one.admit(one.name, one.name, 9)
            return True
        return False

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(is_read, uploads)) == 3


def test_so_many_requests_at_once_and_no_more(visitors: Visitors) -> None:
    _, owner = visitors.recognised(None)
    with visitors.turn(owner), visitors.turn(owner), visitors.turn("another"):
        with pytest.raises(TooMuch, match="2 requests"), visitors.turn(owner):
            pass
        with (
            visitors.turn(owner, work=True),
            pytest.raises(TooMuch, match="long work running"),
            visitors.turn(owner, work=True),
        ):
            pass
    with visitors.turn(owner):
        pass
    assert not visitors._running


def test_who_stays_on_one_page_is_not_forgotten(
    visitors: Visitors, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, owner = visitors.recognised(None)
    visitors.admit(owner, "mine")
    open_gallery(library, "mine", owner=owner)
    come = time.time()
    for days in range(1, 9):
        monkeypatch.setattr(time, "time", lambda later=come + days * DAY: later)
        with visitors.turn(owner):
            pass
        visitors.write_down()
    assert visitors.expire() == 0
    assert sum(visitors.expire(come + 8 * DAY + hour * HOUR) for hour in range(1, 24 * 8)) == 1


def test_who_stays_away_is_forgotten_with_all_there_was(
    visitors: Visitors, library: Library, database: Database, fill: Fill, home: Path
) -> None:
    owners = [visitors.recognised(None)[1] for _ in range(2)]
    for owner in owners:
        visitors.admit(owner, "mine")
    galleries = [fill("mine", {"a": "red", "b": "blue"}, owners[0]), fill("mine", {"a": "red"}, owners[1])]
    local = fill("local", {"c": "green"})
    search_photos(library, galleries[0], "red")
    photo = list_photos(library, galleries[0])[1]
    now = 1e10  # long after everything above
    mark_seen(database, owners[1], now - 6 * DAY)

    assert visitors.expire(now) == 1
    with pytest.raises(GalleryMissing):
        search_photos(library, galleries[0], "red")
    with pytest.raises(PhotoMissing):
        get_photo(library, photo.id)
    assert not database.pictures.path(photo.content_hash).exists()
    assert galleries[0] not in library.rankings._indexes
    assert [hit.photo.file for hit in search_photos(library, galleries[1], "red")] == ["a"]
    assert summarize_gallery(library, local).photos == 1
    assert len(list(home.glob("pictures/**/*.jpg"))) == 2
    assert visitors.expire(now) == 0


def test_who_comes_back_while_others_are_forgotten_keeps_what_there_is(
    visitors: Visitors, library: Library, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    owners = [visitors.recognised(None)[1] for _ in range(3)]
    for owner in owners:
        visitors.admit(owner, "mine")
        fill("mine", {"a": "red"}, owner)
    now = time.time() + 8 * DAY
    monkeypatch.setattr("engine.gallery.quotas.time.time", lambda: now)
    came_back: list[str] = []

    def others_come_meanwhile(library: Library, gallery: int) -> None:
        if not came_back:
            gone = summarize_gallery(library, gallery).owner
            came_back.extend(owner for owner in owners if owner != gone)
            mark_seen(library.database, came_back[0], now)  # in another process
            with visitors.turn(came_back[1]):  # in this one, and not written down yet
                pass
        delete_gallery(library, gallery)

    monkeypatch.setattr("engine.gallery.quotas.delete_gallery", others_come_meanwhile)
    mark_seen(library.database, PAGE, now - HOUR)  # the page was on
    visitors.expire(now)
    assert {summary.owner for summary in list_galleries(library)} == set(came_back)


def test_days_on_which_the_page_was_off_are_no_absence(visitors: Visitors, library: Library) -> None:
    _, owner = visitors.recognised(None)
    visitors.admit(owner, "mine")
    gallery = open_gallery(library, "mine", owner=owner)
    now = time.time() + 30 * DAY
    assert visitors.expire(now) == 0
    assert summarize_gallery(library, gallery).owner == owner
    now += 30 * DAY  # once more; and somebody else comes before the first look after the start
    mark_seen(library.database, "another", now)
    assert visitors.expire(now) == 0
    hours = range(1, 24 * 6)  # the page runs, and nobody comes
    assert sum(visitors.expire(now + hour * HOUR) for hour in hours) == 0
    mark_seen(library.database, "another", now + 7 * DAY)
    hours = range(24 * 6, 24 * 8)
    assert sum(visitors.expire(now + hour * HOUR) for hour in hours) == 1
    with pytest.raises(GalleryMissing):
        summarize_gallery(library, gallery)


def test_who_came_last_before_the_page_was_off_is_not_forgotten(visitors: Visitors, library: Library) -> None:
    now = time.time()
    assert visitors.expire(now) == 0
    mark_seen(library.database, "late", now + HOUR / 2)  # and then the page ends, or the clock is set
    assert visitors.expire(now + 365 * DAY) == 0
    hours = range(1, 24 * 7)
    assert sum(visitors.expire(now + 365 * DAY + hour * HOUR) for hour in hours) == 0
    assert sum(visitors.expire(now + 372 * DAY + hour * HOUR) for hour in range(2)) == 1


def test_a_clock_that_is_set_back_keeps_nobody_longer_than_the_days(visitors: Visitors, library: Library) -> None:
    now = time.time()
    visitors.expire(now + 365 * DAY)
    mark_seen(library.database, "mine", now + 365 * DAY)
    assert visitors.expire(now) == 0
    hours = range(1, 24 * 7)
    assert sum(visitors.expire(now + hour * HOUR) for hour in hours) == 0
    assert sum(visitors.expire(now + 7 * DAY + hour * HOUR) for hour in range(2)) == 1
