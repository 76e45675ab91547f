"""What is told of an upload on its way is true: how far, how fast, how long, what is missing."""

from pathlib import Path

import pytest

from app.uploading.inbox import COMING, KEPT, Inbox
from app.uploading.incoming import AHEAD, QUIET, STILL, Incoming, name_of, size_of
from app.work import Stopped, Waiting
from engine.gallery import Progress, Skipped, TooMuch
from tests.app.clock import Clock
from tests.app.shown_examples import PHOTO


def incoming(files: int = 100, clock: Clock | None = None) -> Incoming:
    lines = [f"10/0/{number}.jpg" for number in range(files)]
    return Incoming(None, 1, "Holidays", lines, clock=clock or Clock())


def take(upload: Incoming, added: int | None = None) -> None:
    """One group is taken in whole."""
    numbers = [number for number, _ in upload.group()]
    count = len(numbers) if added is None else added
    upload.tell(Progress(len(numbers), len(numbers), (PHOTO,) * count))
    upload.taken(numbers)


def test_rate_and_time_left_are_those_of_the_last_seconds() -> None:
    clock = Clock()
    upload = incoming(400, clock)
    number = 0
    for seconds, each in ((60, 1), (30, 4)):  # a slow minute, then four a second
        for _ in range(seconds):
            clock.now += 1
            upload.put({number + place: Path("a") for place in range(each)})
            number += each
            take(upload)
    assert upload.done == 180
    assert upload.rate() == pytest.approx(4, rel=0.2)
    assert upload.seconds_left() == pytest.approx(220 / 4, rel=0.2)
    clock.now += 60  # nothing has come since
    assert upload.rate() < 1


def test_files_that_were_there_before_say_nothing_of_the_pace() -> None:
    clock = Clock()
    upload = incoming(100, clock)
    upload.settle(range(40))
    assert (upload.rate(), upload.seconds_left()) == (0.0, None)
    for number in range(40, 60):
        clock.now += 1
        upload.put({number: Path("a")})
        take(upload)
    upload.settle(range(60, 90))
    assert upload.rate() == pytest.approx(1, rel=0.2)
    assert upload.seconds_left() == pytest.approx(10, rel=0.2)


def test_files_are_taken_in_as_they_were_chosen_whichever_came_first() -> None:
    upload = incoming()
    for group in (range(8, 16), range(8)):
        upload.put({number: Path(str(number)) for number in group})
    assert [number for number, _ in upload.group()] == list(range(16))


def test_without_a_photo_nothing_is_promised() -> None:
    upload = incoming()
    assert (upload.rate(), upload.seconds_left(), upload.done, upload.total) == (0.0, None, 0, 100)


def test_an_archive_counts_as_its_photos_once_it_is_open() -> None:
    upload = incoming(3)
    upload.put({0: Path("a"), 1: Path("b.zip")})
    numbers = [number for number, _ in upload.group()]
    upload.tell(Progress(32, 41, ()))
    assert (upload.done, upload.total) == (32, 42)
    upload.tell(Progress(41, 41, ()))
    upload.taken(numbers)
    assert (upload.done, upload.total, upload.missing()) == (41, 42, ["2.jpg"])


def test_who_says_nothing_for_long_has_left_and_one_who_sends_slowly_has_not() -> None:
    clock = Clock()
    upload = incoming(2, clock)
    with upload.hearing():
        clock.now += 2 * QUIET
        upload.put({0: Path("a")})
        take(upload)
    clock.now += 2 * QUIET
    assert upload.group() == []
    assert (upload.state, upload.missing()) == ("left", ["1.jpg"])


def test_who_only_says_that_more_will_come_has_left_at_last() -> None:
    clock = Clock()
    upload = incoming(2, clock)
    while not upload.over and clock.now < 1000 + 2 * STILL:
        clock.now += QUIET / 2
        with upload.hearing():
            upload.settle([])
        if clock.now > 1000 + STILL:
            assert upload.group() == []
    assert upload.state == "left"


def test_what_an_archive_held_is_counted_where_it_is_stopped_half_way() -> None:
    upload = incoming(1)
    upload.put({0: Path("a.zip")})
    upload.group()
    upload.tell(Progress(32, 64, (PHOTO,) * 29, (Skipped("b.jpg", "cut short"),)))
    upload.stop()
    with pytest.raises(Stopped):
        upload.tell(Progress(40, 64, (PHOTO,) * 8))
    assert (upload.added, upload.duplicates, len(upload.skipped)) == (37, 2, 1)
    assert upload.macs_share == pytest.approx(PHOTO.macs_share)


def test_what_has_arrived_is_taken_in_when_the_page_is_closed() -> None:
    upload = incoming(3)
    upload.put({0: Path("a"), 2: Path("c")})
    upload.leave()
    take(upload)
    assert upload.group() == []
    assert (upload.state, upload.missing(), upload.added) == ("left", ["1.jpg"], 2)


def test_what_is_dropped_again_does_not_wait_for_who_sends_slowly() -> None:
    upload = incoming(2)
    upload.put({0: Path("a")})
    take(upload)
    with upload.hearing():  # the next file is still on its way
        upload.leave(superseded=True)
        assert upload.group() == []
    assert (upload.state, upload.missing()) == ("left", ["1.jpg"])


def test_files_that_were_not_announced_or_come_too_late_are_not_taken() -> None:
    upload = incoming(3)
    assert upload.put({3: Path("a")}) is None
    assert upload.put({-1: Path("a")}) is None
    assert upload.put({0: Path("a")}) == []
    upload.end()
    assert upload.put({2: Path("a")}) is None


def test_files_that_came_before_are_not_needed_again() -> None:
    upload = incoming(3)
    upload.put({0: Path("a"), 1: Path("b")})
    assert upload.put({1: Path("b again"), 2: Path("c")}) == [Path("b again")]
    assert upload.group() == [(0, Path("a")), (1, Path("b")), (2, Path("c"))]
    upload.taken([0])
    upload.settle([1])
    assert upload.put({0: Path("a again"), 1: Path("b again")}) == [Path("a again"), Path("b again")]


def test_stop_ends_it_between_groups_or_in_line() -> None:
    upload = incoming(3)
    upload.put({0: Path("a")})
    upload.group()
    upload.stop()
    with pytest.raises(Stopped):
        upload.tell(Waiting(2))
    upload.tell(Progress(1, 1, ()))  # the group is done anyway
    assert upload.group() == []
    assert upload.end() == [Path("a")]
    assert upload.state == "stopped"


def test_no_more_files_are_answered_than_may_wait() -> None:
    upload = incoming()
    upload.put({number: Path("a") for number in range(AHEAD)})
    assert not upload.has_room()
    take(upload)
    assert upload.has_room()


def test_an_inbox_forgets_what_is_over_and_takes_no_more_than_it_may() -> None:
    inbox = Inbox()
    for number in range(KEPT):
        inbox.begin(f"visitor {number}", number, "a", ["1/2/a"])
    with pytest.raises(TooMuch, match="try again"):
        inbox.begin("one more", 1, "a", ["1/2/a"])
    (first,) = inbox.unread("visitor 0")
    first.end()
    inbox.begin("one more", 1, "a", ["1/2/a"])
    assert inbox.find(first.id) is None
    with pytest.raises(TooMuch, match="2000 files"):
        inbox.begin("one more", 1, "a", ["1/2/a"] * 2001)


def test_one_address_does_not_take_all_places() -> None:
    inbox = Inbox()
    for number in range(COMING):
        inbox.begin(f"visitor {number}", number, "a", ["1/2/a"], "203.0.113.7")
    with pytest.raises(TooMuch, match="behind your address"):
        inbox.begin("one more", 99, "a", ["1/2/a"], "203.0.113.7")
    inbox.begin("another", 99, "a", ["1/2/a"], "203.0.113.8")


def test_only_what_was_cut_short_and_is_still_there_need_not_come_again() -> None:
    inbox = Inbox()
    files = ["1/2/a", "1/2/b"]

    def again(state: str) -> list[int]:
        upload = inbox.begin(None, 1, "Holidays", files)
        found = upload.settled()
        upload.settle([0])
        if state == "left":
            upload.leave()
            upload.group()
        upload.end()
        return found

    assert again("left") == []
    assert again("done") == [0]
    assert again("left") == [], "the one before it had come to its end"
    inbox.forget(1)  # photos of the gallery were deleted
    assert again("left") == []


def test_of_one_visitor_the_last_accounts_are_kept_and_those_of_files_left_out() -> None:
    inbox = Inbox()
    for number in range(10):  # as a large folder comes
        upload = inbox.begin(None, 1, f"{number}", [f"1/2/{number}"])
        if number != 1:  # whose file never came
            upload.settle([0], [Skipped("2", "empty file")] if number == 2 else [])
        upload.end()
    assert [one.name for one in inbox.unread(None)] == ["9", "8", "7", "2", "1"]
    for one in inbox.unread(None):
        one.read = True
    inbox.begin(None, 1, "after them", ["1/2/a"])
    assert [inbox.is_known(None, one.nonce) for one in inbox.unread(None)] == [True]
    assert len(inbox._uploads) == 3, "what was read makes room"


@pytest.mark.parametrize(
    ("file", "name", "size"),
    [("12/3/a.jpg", "a.jpg", 12), ("x/3/b/c.jpg", "c.jpg", 0), ("", "unnamed", 0), ("9" * 40, "9" * 40, 0)],
)
def test_a_line_is_whatever_a_browser_sends(file: str, name: str, size: int) -> None:
    assert (name_of(file), size_of(file)) == (name, size)
