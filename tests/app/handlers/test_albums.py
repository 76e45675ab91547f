"""The Albums tab: words sort photos at once, hands move them, strangers keep theirs apart."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import pytest

from app.handlers.albums import ALBUMS, SORTED_LEAST, Albums
from app.parts import Updates
from app.services import Services
from app.session import Session
from app.views import albums as views
from app.views.placeholders import EMPTY_GALLERY
from engine.albums.album import Album, AlbumSet, AlbumsRejected, album_of
from engine.gallery import Library
from engine.gallery.albums import edit_albums, list_albums, sort_gallery
from engine.gallery.galleries import delete_photos, list_photos, open_gallery
from engine.gallery.ingest import ingest_files
from engine.gallery.quotas import Visitors
from engine.gallery.types import SortedGallery, SortedPhoto
from tests.app.sending import Event
from tests.app.shown_examples import DRAWING, PARTS, PHOTO, address, after
from tests.fake_encoder import FakeEncoder
from tests.pictures import Fill, MakeUpload, Meanwhile


@pytest.fixture
def albums(services: Services) -> Albums:
    return Albums(services, PARTS)


@pytest.fixture
def mine(fill: Fill, session: Session) -> int:
    session.gallery = fill("Mine", {f"{colour}.png": colour for colour in ("red", "lime", "blue")})
    return session.gallery


def board(updates: Iterator[Updates]) -> str:
    return str(after(updates).album_board)


def test_words_make_an_album_that_is_kept(albums: Albums, session: Session, mine: int, library: Library) -> None:
    assert "Sort your photos by words" in board(albums.shown(session))
    adding = albums.added("reds: red, not blue", session)
    assert next(adding) == {PARTS.album_line: views.SORTING}, "at once"
    first = next(adding)
    assert PARTS.album_words not in first, "the next words may be typed by then"
    assert 'aria-label="reds, 1 photo"' in first[PARTS.album_board]
    assert 'aria-label="None of these, 2 photos"' in first[PARTS.album_board]
    assert [album.name for album in list_albums(library, mine).albums] == ["reds"]
    line = after(albums.added("green", session)).album_line
    assert "Sorted: <b>40 %</b> of the full compute" in line


@pytest.mark.parametrize(
    ("looked", "spent", "said"),
    [
        (2, False, "2 photos needed a second look"),
        (2, True, "2 photos got a second look, and the budget for second looks is spent"),
        (0, False, "no photo needed a second look"),
        (0, True, "has run so far; the budget for second looks is spent"),
        (None, False, "of the full compute has run so far.<"),
    ],
)
def test_the_line_tells_photos_without_doubt_from_a_budget_that_is_spent(
    looked: int | None, spent: bool, said: str
) -> None:
    photo = SortedPhoto(1, "a.jpg", "0" * 64, None, 0.4, by_hand=False, exit=1, macs_share=0.6)
    found = SortedGallery((Album("reds", ("red",)),), (photo,), 0, 0.6)
    assert said in views.line(found, looked, undo=False, spent=spent)


def test_an_album_is_packed_as_its_column_shows_it(
    albums: Albums, session: Session, mine: int, services: Services
) -> None:
    after(albums.added("reds: red", session))
    packed = after(albums.packed(Event(album="reds"), session)).file
    red = list_photos(services.library, mine)[0]
    assert f'data-zip="{services.address(red, "large")}"' in packed
    assert 'data-name="reds"' in packed
    for album in ("blues", ""):
        line = after(albums.packed(Event(album=album), session)).album_line
        assert "No photo is in this album" in line
        assert "Sorted: " in line, "and what stood there stays"
        assert 'data-event="undo"' in line


def test_albums_that_cannot_be_sorted_are_a_sentence_where_one_is_packed(
    albums: Albums, session: Session, mine: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    after(albums.added("reds: red", session))
    albums = Albums(albums._services, PARTS)  # started anew: nothing is sorted yet
    refused = AlbumsRejected("There is no such album.")
    monkeypatch.setattr("app.handlers.albums.sort_gallery", Mock(side_effect=refused))
    assert "no such album" in after(albums.packed(Event(album="reds"), session)).album_line


def test_the_line_says_nothing_of_second_looks_that_nobody_asked_for(
    albums: Albums,
    session: Session,
    mine: int,
    library: Library,
    upload: MakeUpload,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.handlers.albums._budget", lambda _: 2.0)  # never spent
    after(albums.added("reds: red", session))
    assert "no photo needed a second look" in after(albums.shown(session)).album_line
    again = Session(gallery=mine)
    assert "second look" not in after(albums.shown(again)).album_line
    ingest_files(library, mine, [upload("new.png", "teal")])
    assert "second look" not in after(albums.shown(session)).album_line
    after(albums.moved(Event(photo=str(list_photos(library, mine)[2].id), to="=reds"), session))
    assert "1 photo needed a second look" in after(albums.shown(session)).album_line, "an example ran to full depth"


def test_an_album_that_is_there_already_is_said(albums: Albums, session: Session, mine: int, library: Library) -> None:
    after(albums.added("reds", session))
    again = after(albums.added("Reds", session))
    assert "an album &quot;Reds&quot; already" in again.album_line
    assert again.album_words == "Reds"
    assert 'data-event="undo"' in again.album_line
    after(albums.undone(session))
    assert list_albums(library, mine) == AlbumSet(), "one change to take back"


def test_each_photo_says_how_sure_its_album_is(albums: Albums, session: Session, mine: int, library: Library) -> None:
    shown = board(albums.added("reds: red", session))
    by_hand = board(albums.moved(Event(photo=str(list_photos(library, mine)[2].id), to="=reds"), session))
    for told, sorted_by_words in ((shown, 3), (by_hand, 2)):
        assert told.count(" % sure<") == sorted_by_words


def test_a_photo_is_moved_and_the_move_undone(albums: Albums, session: Session, mine: int, library: Library) -> None:
    after(albums.added("reds: red", session))
    blue = list_photos(library, mine)[2].id
    assert "by hand" in board(albums.moved(Event(photo=str(blue), to="=reds"), session))
    assert list_albums(library, mine).by_hand() == {blue: "reds"}
    assert "by hand" not in board(albums.undone(session))
    after(albums.moved(Event(photo=str(blue), to="-"), session))
    assert list_albums(library, mine).by_hand() == {blue: None}


def test_albums_are_renamed_merged_searched_and_deleted(
    albums: Albums, session: Session, mine: int, library: Library
) -> None:
    after(albums.added("reds: red", session))
    after(albums.added("greens: green", session))
    assert "<h2>scarlet" in board(albums.renamed(Event(album="reds", name="scarlet"), session))
    refused = after(albums.renamed(Event(album="scarlet", name="Greens"), session)).album_line
    assert "an album &quot;Greens&quot; already" in refused
    assert 'data-event="undo"' in refused, "the change before it can still be taken back"
    merged = board(albums.merged(Event(album="scarlet", into="greens"), session))
    assert 'aria-label="greens, 2 photos"' in merged
    assert "<h2>scarlet" in board(albums.undone(session)), "a merge is undone as a move is"
    assert "<h2>reds" in board(albums.undone(session)), "and so is what was done before it"
    merged = board(albums.merged(Event(album="reds", into="greens"), session))
    found = board(albums.sought(Event(key="=greens", words="red"), session))
    assert found.index("red.png".removesuffix(".png")) < found.index("Photo: lime")
    assert "Sort your photos by words" in board(albums.deleted(Event(album="greens"), session))
    assert list_albums(library, mine) == AlbumSet()
    assert 'aria-label="greens, 2 photos"' in board(albums.undone(session))
    edit_albums(library, mine, lambda albums: albums.renamed("greens", "limes"))
    refused = after(albums.undone(session))
    assert "nothing to undo" in refused.album_line, "somebody else has changed them since"
    assert "<h2>limes" in refused.album_board, "which is seen now"
    assert list_albums(library, mine).albums[0].name == "limes"


def test_a_column_without_photos_says_so() -> None:
    columns = views.columns(SortedGallery((album_of("dogs"),), (), 0, 0.5), {}, {}, {})
    dogs, rest = views.board(columns, {}, DRAWING, address).split("None of these", 1)
    assert "No photo fits it" in dogs
    assert "No photo is left" in rest


def test_an_album_of_a_misspelt_word_offers_the_word(albums: Albums, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.handlers.albums.correct_spelling", lambda _, text: text.replace("turck", "truck"))
    found = SortedGallery((album_of("turck"), album_of("dogs: turck"), album_of("cats, dogs")), (), 0, 0.5)
    column, other, listed, _ = views.columns(found, {}, {}, {})
    assert albums._meant(column) == "truck"
    assert albums._meant(listed) == "cats, dogs: cats, dogs", "a list was typed, and read as one phrase"
    assert album_of(albums._meant(listed)).name == "cats, dogs"
    assert not albums._meant(other), "phrases of one's own are left alone"


def test_mistakes_are_sentences_and_change_nothing(
    albums: Albums, session: Session, mine: int, library: Library
) -> None:
    assert "nothing to undo" in after(albums.undone(session)).album_line
    after(albums.added("reds: red", session))
    for updates, sentence in [
        (albums.moved(Event(photo="x", to="=reds"), session), "not there any more"),
        (albums.moved(Event(photo="99999", to="=reds"), session), "no photo number 99999"),
        (albums.moved(Event(photo="1", to="=reds"), session), "not of this gallery"),
        (albums.moved(Event(), session), "not there any more"),
        (albums.added("x" * 300, session), "over 200 characters"),
        (albums.renamed(Event(album="nothing", name="x"), session), "no album"),
    ]:
        assert sentence in after(updates).album_line
    assert len(list_albums(library, mine).albums) == 1


def test_names_are_escaped(albums: Albums, session: Session, mine: int) -> None:
    html = board(albums.added('<img src=x onerror=alert(1)>": red', session))
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html


def test_albums_on_the_demo_gallery_are_a_visitors_own(services: Services, library: Library, session: Session) -> None:
    demo = session.gallery
    assert demo is not None
    services.visitors = Visitors(library)
    services.__post_init__()
    albums, other = Albums(services, PARTS), Session(gallery=demo)
    assert "load it again" in after(albums.added("reds: red", session)).album_line, "nobody knows whose they would be"
    services.access.arrive({}, session)
    services.access.arrive({}, other)
    before = [(photo.exit, photo.macs) for photo in list_photos(library, demo)]
    assert 'aria-label="reds, 1 photo"' in board(albums.added("reds: red", session))
    assert "yours alone" in board(albums.shown(other))
    loaded_again = Session(gallery=demo)
    services.access.arrive({"visitor": session.token, "browser": session.browser}, loaded_again)
    assert 'aria-label="reds, 1 photo"' in board(albums.shown(loaded_again))
    assert list_albums(library, demo) == AlbumSet()
    assert [(photo.exit, photo.macs) for photo in list_photos(library, demo)] == before


def test_nothing_is_sorted_while_another_tab_is_open(albums: Albums, session: Session, mine: int) -> None:
    assert list(albums.shown_if_open(session)) == []
    session.tab = ALBUMS
    assert len(list(albums.shown_if_open(session))) == 1


def test_the_words_that_an_album_is_searched_for_stay_in_its_box(albums: Albums, session: Session, mine: int) -> None:
    after(albums.added("reds: red", session))
    box = 'value="{}" maxlength="500" data-seek="-"'
    assert box.format("blue") in board(albums.sought(Event(key="-", words="blue"), session))
    assert box.format("blue") in board(albums.shown(session))
    assert box.format("") in board(albums.sought(Event(key="-", words=""), session))


def test_words_that_cannot_be_searched_for_are_a_sentence_once(albums: Albums, session: Session, mine: int) -> None:
    after(albums.added("reds: red", session))
    refused = after(albums.sought(Event(key="-", words="red - 1:red"), session))
    assert "cancel each other out" in refused.album_line
    assert 'value="" maxlength="500" data-seek="-"' in board(albums.shown(session))


def test_more_of_a_column_is_shown(
    albums: Albums, session: Session, mine: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.views.albums.PAGE", 1)
    assert ">1 more</button>" in board(albums.added("reds: red", session))
    assert ">1 more</button>" not in board(albums.unfolded(Event(key="-"), session))


def test_a_column_is_twice_as_long_with_every_more_and_no_longer_than_it_is(
    albums: Albums, session: Session, mine: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = [SortedPhoto(n, f"{n}.jpg", "0" * 64, None, 0.9, by_hand=False, exit=1, macs_share=0.6) for n in range(50)]
    found = SortedGallery((), tuple(photos), 0, 0.6)
    shown = [len(views.columns(found, {"-": times}, {}, {})[0].photos) for times in range(4)]
    assert shown == [12, 24, 48, 50]
    (column,) = views.columns(found, {"-": 1}, {}, {})
    pictures = {photo.id: PHOTO for photo in photos}
    assert ">24 more</button>" in views.board([column], pictures, DRAWING, address)
    (column,) = views.columns(found, {"-": 2}, {}, {})
    assert ">2 more</button>" in views.board([column], pictures, DRAWING, address)
    for _ in range(30):
        after(albums.unfolded(Event(key="-"), session))
    assert session.albums[mine].unfolded["-"] == views.MOST_UNFOLDED
    monkeypatch.setattr(views, "MOST_UNFOLDED", 1)
    (column,) = views.columns(found, {"-": 1}, {}, {})
    assert "26 photos are not shown.</p></section>" in views.board([column], pictures, DRAWING, address)


@pytest.fixture
def sorts(monkeypatch: pytest.MonkeyPatch) -> list[AlbumSet]:
    """The albums of each sort of a gallery as it stands."""
    asked: list[AlbumSet] = []

    def note(library: Library, gallery: int, of: AlbumSet, budget: float, *more: Any) -> SortedGallery:
        asked.extend([of] if not budget else [])
        return sort_gallery(library, gallery, of, budget, *more)

    monkeypatch.setattr("app.handlers.albums.sort_gallery", note)
    return asked


def test_of_changes_that_follow_each_other_quickly_the_last_one_is_sorted_by(
    albums: Albums,
    session: Session,
    mine: int,
    library: Library,
    sorts: list[AlbumSet],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    after(albums.added("reds: red", session))
    sorts.clear()
    noted, go_on, view = albums._sorted, threading.Event(), session.albums[mine]

    def slowly(*given: Any) -> SortedGallery:
        assert go_on.wait(30)
        return noted(*given)

    def move(photo: int) -> None:
        after(albums.moved(Event(photo=str(photo), to="=reds"), session))

    monkeypatch.setattr(albums, "_sorted", slowly)
    moving = []
    for photo in list_photos(library, mine):
        before = view.asking
        moving.append(threading.Thread(target=move, args=(photo.id,)))
        moving[-1].start()
        while view.asking is before:
            time.sleep(0.01)
    go_on.set()
    for thread in moving:
        thread.join(30)
    assert sorts[-1] == list_albums(library, mine)
    assert len(sorts) <= 2, "that of the first one had begun"


def test_a_gallery_is_sorted_once_while_it_stays_as_it_is(
    albums: Albums, session: Session, mine: int, library: Library, upload: MakeUpload, sorts: list[AlbumSet]
) -> None:
    after(albums.added("reds: red", session))
    after(albums.shown(session))  # as second looks have left it
    sorts.clear()
    first = board(albums.shown(session))
    after(albums.unfolded(Event(key="-"), session))
    assert "data-zip" in after(albums.packed(Event(album="reds"), session)).file
    assert board(albums.shown(Session(gallery=mine))) == first, "in another tab"
    assert board(albums.sought(Event(key="-", words="blue"), session)) != first
    assert not sorts
    ingest_files(library, mine, [upload("new.png", "teal")])
    assert 'aria-label="None of these, 3 photos"' in board(albums.shown(session))
    delete_photos(library, mine, [list_photos(library, mine)[3].id])
    assert 'aria-label="None of these, 2 photos"' in board(albums.shown(session))
    edit_albums(library, mine, lambda same: same.renamed("reds", "scarlet"))  # on the command line, say
    assert "<h2>scarlet" in board(albums.shown(session))
    assert len(sorts) == 3


def test_a_sort_of_another_model_is_not_shown(
    albums: Albums, session: Session, mine: int, library: Library, fake_encoder: FakeEncoder
) -> None:
    after(albums.added("reds: red", session))
    library.encoders.replace(replace(fake_encoder, identity=replace(fake_encoder.identity, weights="c" * 64)))
    shown = after(albums.shown(session))
    assert "Indexed by an earlier model" in shown.album_line
    assert shown.album_board == shown.album_proposals == "", "nor is that of the gallery before it"


def test_second_looks_aside_are_part_of_a_sort(
    albums: Albums, services: Services, session: Session, sorts: list[AlbumSet]
) -> None:
    session.gallery, session.browser = services.demo.id, "mine"
    after(albums.added("reds: red", session))
    again = Session(gallery=services.demo.id, browser="mine")
    blue = str(list_photos(services.library, services.demo.id)[2].id)
    sorts.clear()
    assert "<b>40 %</b>" in after(albums.shown(session)).album_line
    after(albums.moved(Event(photo=blue, to="=reds"), session))
    assert len(sorts) == 1
    assert "<b>60 %</b>" in after(albums.shown(session)).album_line, "the example ran to full depth"
    after(albums.shown(session))
    assert len(sorts) == 2
    after(albums.shown(session))
    assert len(sorts) == 2
    shown = after(albums.shown(again))
    assert "by hand" in shown.album_board
    assert "<b>60 %</b>" in shown.album_line, "a reload finds what second looks have found, too"
    others = Session(gallery=services.demo.id, browser="another")
    after(albums.added("reds: red", others))
    assert "<b>40 %</b>" in after(albums.shown(others)).album_line, "but for nobody else"


def test_few_sorts_stay(
    services: Services, session: Session, mine: int, sorts: list[AlbumSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    after(Albums(services, PARTS).added("reds: red", session))
    sorts.clear()
    monkeypatch.setattr("app.handlers.albums.SORTED_KEPT", 2)  # photos: fewer than there are
    albums = Albums(services, PARTS)
    assert board(albums.shown(session)) == board(albums.shown(session))
    assert len(sorts) == 2
    monkeypatch.setattr("app.handlers.albums.SORTED_KEPT", 2 * SORTED_LEAST)
    albums = Albums(services, PARTS)
    for number in range(5):
        after(albums.added(f"{number}: red", session))
    assert len(albums._sorts) == 2, "however few photos, albums take memory"


def test_a_gallery_without_albums_is_not_sorted(
    albums: Albums, session: Session, mine: int, library: Library, sorts: list[AlbumSet]
) -> None:
    assert "Sort your photos by words" in board(albums.shown(session))
    assert not sorts
    after(albums.added("reds: red", session))
    emptied = after(albums.deleted(Event(album="reds"), session))
    assert "Sort your photos by words" in emptied.album_board
    assert 'data-event="undo"' in emptied.album_line
    assert "No photo is in this album" in after(albums.packed(Event(album="reds"), session)).album_line
    assert len(sorts) == 1
    session.gallery = open_gallery(library, "Nothing")
    assert board(albums.shown(session)) == EMPTY_GALLERY


def test_what_is_typed_is_seen_to_be_at_work_until_the_first_board(albums: Albums, session: Session, mine: int) -> None:
    adding = albums.added("reds: red", session)
    assert "being sorted" in next(adding)[PARTS.album_line]
    assert "being sorted" not in next(adding)[PARTS.album_line]


def test_keys_that_no_column_can_have_are_not_remembered(
    albums: Albums, session: Session, mine: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.session.COLUMNS", 3)
    for key in ("", "reds", "=" + "x" * 81, "x" * 1_000_000):
        after(albums.unfolded(Event(key=key), session))
        after(albums.sought(Event(key=key, words="red"), session))
    assert not session.albums[mine].unfolded
    assert not session.albums[mine].sought
    for number in range(9):
        after(albums.unfolded(Event(key=f"={number}"), session))
    assert len(session.albums[mine].unfolded) == 3


def test_the_next_album_waits_for_the_last_ones_second_looks(
    services: Services, library: Library, session: Session
) -> None:
    services.visitors = Visitors(library)
    services.__post_init__()
    services.access.arrive({}, session)
    at_work = threading.Event()

    def batch(tell: Callable[[int], None]) -> None:
        with services.access.work(session):
            at_work.set()
            time.sleep(0.5)
            tell(1)

    services.begin("albums", session, batch)
    assert at_work.wait(5)
    assert "Sorted:" in after(Albums(services, PARTS).added("reds: red", session)).album_line


def test_a_photo_that_runs_deeper_twice_counts_once(
    albums: Albums, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def twice(*given: Any) -> SortedGallery:
        _, _, _, budget, tell, _ = given
        for photos in [[1, 2], [2]] if budget else []:
            tell(photos)
        return sort_gallery(*given)

    monkeypatch.setattr("app.handlers.albums.sort_gallery", twice)
    after(albums.added("reds: red", session))
    assert "2 photos got a second look" in after(albums.added("green", session)).album_line


def test_second_looks_go_on_after_an_album_got_another_name(albums: Albums, session: Session, mine: int) -> None:
    after(albums.added("reds: red", session))
    first, *_, final = albums.renamed(Event(album="reds", name="scarlet"), session)
    assert "looked at again" in after(first).album_line
    assert "Sorted:" in after(final).album_line


def test_who_looks_at_more_of_a_column_sees_the_second_looks_end(albums: Albums, session: Session, mine: int) -> None:
    adding = albums.added("reds: red", session)
    lines = [next(adding)[PARTS.album_line], next(adding)[PARTS.album_line]]
    assert lines == [views.SORTING, views.BUSY]
    more = after(albums.unfolded(Event(key="-"), session))
    assert set(vars(more)) == {"album_board", "album_proposals"}, "the line tells of the second looks still"
    assert "Sorted:" in after(adding).album_line
    assert hasattr(after(albums.unfolded(Event(key="-"), session)), "album_line")


def test_a_board_that_was_begun_before_leaves_what_was_wrong_with_an_album(
    albums: Albums, session: Session, mine: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    after(albums.added("reds: red", session))
    albums = Albums(albums._services, PARTS)  # started anew: nothing is sorted yet
    refused: list[str] = []

    def typed_meanwhile(*given: object, **named: object) -> SortedGallery:
        if not refused:
            refused.append("")  # its own board is sorted, too
            refused.append(after(albums.added("dogs: a dog, not a wolf, not a fox", session)).album_line)
        return SortedGallery((), (), 0, 0.0)

    monkeypatch.setattr("app.handlers.albums.sort_gallery", typed_meanwhile)
    assert set(vars(after(albums.shown(session)))) == {"album_board", "album_proposals"}
    assert "one is possible" in refused[-1]


@pytest.mark.parametrize(("words", "earlier"), [("", 0), ("blues: blue", 0), ("blues: blue", 2)])
def test_a_board_that_is_drawn_while_the_albums_change_is_not_shown(
    albums: Albums, session: Session, mine: int, meanwhile: Meanwhile, words: str, earlier: int
) -> None:
    after(albums.added("reds: red", session))
    drawing = albums.added(words, session) if words else albums.shown(session)
    for _ in range(earlier):  # that it sorts, and its board until the one with second looks
        next(drawing)
    meanwhile(views, "board", lambda: after(albums.added("greens: green", session)))
    assert "album_board" not in vars(after(drawing))


def test_a_board_of_another_gallery_is_not_drawn_over(
    albums: Albums, session: Session, mine: int, services: Services
) -> None:
    adding = albums.added("reds: red", session)
    next(adding), next(adding)
    session.gallery = services.demo.id
    assert "Sort your photos by words" in board(albums.shown(session))
    assert list(adding) == []
    session.gallery = mine
    assert "Sorted:" in after(albums.shown(session)).album_line
