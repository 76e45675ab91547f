"""What a search does to the page."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from app.handlers import picture_search as picture_search_module
from app.handlers import search as search_module
from app.handlers.galleries import Galleries
from app.handlers.overview import Overview
from app.handlers.photo import Selection
from app.handlers.picture_search import PictureSearch
from app.handlers.present import Present
from app.handlers.search import Search
from app.services import Services
from app.session import Session
from app.views import header, results
from engine.gallery import Library, Refinement, delete_photos, refine_search
from engine.gallery.galleries import list_photos, publish_gallery, summarize_gallery
from engine.search import spelling
from tests.app.sending import Event
from tests.app.shown_examples import PARTS, after, plain
from tests.fake_encoder import FakeEncoder
from tests.pictures import Fill, Meanwhile
from tests.statements import statements


def test_words_find_photos_at_once_and_then_the_doubtful_are_looked_at_again(search: Search, session: Session) -> None:
    first, refined = map(after, search.searched("blue", True, session))
    assert "A second look" in first.answer
    assert first.grid.index("blue square") < first.grid.index("relevance falls off")
    assert "blue-square.png" in first.panel
    assert "second look" in refined.answer


def test_a_query_that_cannot_be_asked_is_not_offered_again(search: Search, session: Session) -> None:
    list(search.searched("11:dog", True, session))
    list(search.searched("red", False, session))
    shown, session.gallery = session.gallery, 999
    list(search.searched("lime", False, session))
    session.gallery = shown
    offered = after(search.searched("blue", False, session)).suggestions
    assert ["11:dog" in offered, "red" in offered, "lime" in offered] == [False, True, True]


def test_wide_words_to_try_on_ones_own_gallery_come_behind_its_first_answer(
    search: Search, holidays: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.wide_words.propose_albums", lambda library, gallery: ["animals"])
    session = Session(gallery=holidays)
    first, last = map(after, search.searched("red", False, session))
    assert "animals" not in first.suggestions
    assert "animals" in last.suggestions
    assert "animals" in after(next(search.searched("blue", False, session))).suggestions


def test_wide_words_that_are_chosen_during_a_second_look_are_offered_with_it(
    search: Search, services: Services, holidays: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refined(*asked: Any) -> Refinement:
        services.wide_words.of(services.access.gallery(holidays, session))
        return refine_search(*asked)

    monkeypatch.setattr("app.wide_words.propose_albums", lambda library, gallery: ["animals"])
    monkeypatch.setattr("app.handlers.search.refine_search", refined)
    session = Session(gallery=holidays)
    assert "animals" in after(search.searched("red + green", True, session)).suggestions


@pytest.mark.parametrize(("words", "told"), [("海辺の犬", True), ("🐶", True), ("ein Hund", False), ("1984", False)])
def test_words_in_other_letters_are_said_not_to_be_understood(
    search: Search, session: Session, words: str, told: bool
) -> None:
    shown = after(search.searched(words, False, session))
    assert ("Only English words are understood" in shown.answer) is told
    assert not told or "no photo fits these words well" in shown.grid


def test_words_that_are_not_read_any_more_are_told_of(search: Search, session: Session) -> None:
    for words, told in (("red " * 30, False), ("red " * 31, True), (f"blue + {'red ' * 31}", True)):
        shown = after(search.searched(words, False, session))
        assert ("Only the beginning of your words" in shown.answer) is told


def test_a_second_look_looks_nothing_up_that_it_leaves_as_it_is(search: Search, session: Session) -> None:
    answers = search.searched("red + green", True, session)
    with statements() as first:
        next(answers)
    with statements() as refined:
        list(answers)
    assert [sum("substr" in statement for statement, _ in asked) for asked in (first, refined)] == [1, 0]  # its years


def test_an_answer_follows_when_second_looks_are_switched_on_or_off(search: Search, session: Session) -> None:
    list(search.searched("red + green", True, session))
    assert "data-again" not in after(search.asked_again(False, session)).grid
    assert "data-again" in after(search.asked_again(True, session)).grid


def test_a_second_look_is_marked_and_leaves_what_indexing_took_as_it_is(
    search: Search, session: Session, library: Library
) -> None:
    before = after(search.searched("red + green", False, session)).headline
    refined = after(search.searched("red + green", True, session))
    assert summarize_gallery(library, session.gallery or 0).macs_queries > 0
    assert refined.headline == before
    assert "data-again" in refined.grid
    assert 'class="on new"' in refined.grid


def test_a_photo_selected_meanwhile_is_drawn_as_deep_as_its_query_has_sent_it(search: Search, session: Session) -> None:
    answers = search.searched("red + green", True, session)
    next(answers)
    session.photo = session.hits[1].photo.id
    refined = after(answers)
    assert session.photo in session.deepened, "the case must send it deeper"
    assert "exit 3 of 3" in refined.panel
    assert f'data-photo="{session.photo}"' in refined.panel


def test_no_second_look_is_drawn_over_a_place_that_is_gone(
    search: Search, galleries: Galleries, session: Session
) -> None:
    answers = search.searched("blue", True, session)
    next(answers)
    gone = after(galleries.gone_to(Event(gallery="999", q="red"), False, session))
    assert "not there any more" in gone.notice
    assert "red square" in gone.grid
    assert gone.gallery["value"] == session.gallery
    assert not list(answers)


def test_no_second_look_is_drawn_over_what_is_said_of_a_photo_that_is_gone(
    search: Search, selection: Selection, session: Session
) -> None:
    answers = search.searched("blue", True, session)
    next(answers)
    assert "search again" in after(selection.selected(Event(photo="999"), session)).panel
    again, refined = answers
    assert "search again" in again[PARTS.panel]
    assert PARTS.panel not in refined


@pytest.mark.parametrize("words", ["blue", ""])
def test_a_photo_that_was_selected_since_the_question_stays_so_where_the_answer_shows_it(
    search: Search, selection: Selection, session: Session, words: str
) -> None:
    answers = search.searched(words, True, session)
    list(selection.selected(Event(photo="2"), session))
    shown = after(answers)
    assert 'data-photo="2"' in shown.panel
    assert f"data-picked={session.picked}" in shown.panel
    assert re.search(r'data-photo="2"[^>]*aria-current', shown.grid)
    list(selection.selected(Event(photo="2"), session))
    assert "data-picked" not in after(search.searched(words, True, session)).panel, "it was selected before"


def test_a_photo_that_was_selected_since_the_question_and_is_not_among_the_answer_is_so_no_more(
    search: Search, selection: Selection, session: Session, holidays: int
) -> None:
    answers = search.searched("blue", True, session)
    list(selection.selected(Event(photo="2"), session))
    session.gallery = holidays
    assert "data-picked" not in after(answers).panel
    assert session.photo == session.hits[0].photo.id


@pytest.mark.parametrize(
    ("looks", "drawing"),
    [(0, (results, "stacks")), (1, (header, "refined")), (1, (results, "stacks"))],
    ids=["first answer", "second look: before its ranking", "second look: after it"],
)
def test_a_photo_selected_while_an_answer_is_drawn_stays_in_the_panel_and_is_marked(
    search: Search,
    selection: Selection,
    session: Session,
    meanwhile: Meanwhile,
    looks: int,
    drawing: tuple[ModuleType, str],
) -> None:
    answers = search.searched("blue", True, session)
    for _ in range(looks):
        next(answers)
    meanwhile(*drawing, lambda: list(selection.selected(Event(photo="2"), session)))
    shown = after(answers)
    assert 'data-photo="2"' in shown.panel
    assert re.search(r'data-photo="2"[^>]*aria-current', shown.grid), "it is marked, too"
    assert session.photo == 2


def test_a_selected_photo_that_is_deleted_while_the_answer_is_drawn_leaves_the_rest_of_the_answer(
    search: Search, selection: Selection, session: Session, library: Library, holidays: int, meanwhile: Meanwhile
) -> None:
    session.gallery = holidays
    answers = search.searched("blue", False, session)
    kept, deleted = list_photos(library, holidays)
    list(selection.selected(Event(photo=str(deleted.id)), session))
    meanwhile(results, "stacks", lambda: delete_photos(library, holidays, [deleted.id]))  # another tab is faster
    shown = after(answers)
    assert f'data-photo="{kept.id}"' in shown.grid
    assert shown.panel


def test_a_photo_selected_while_the_second_look_is_on_its_way_stays_in_the_panel(
    search: Search, selection: Selection, session: Session
) -> None:
    for photo, says in (("2", 'data-photo="2"'), ("999", "search again")):
        answers = search.searched("blue", True, session)
        next(answers)
        assert "panel" in vars(after([next(answers)]))
        list(selection.selected(Event(photo=photo), session))
        shown = after(answers)
        assert says in shown.panel
        assert photo == "999" or re.search(rf'data-photo="{photo}"[^>]*aria-current', shown.grid), "it is marked, too"


def test_a_photo_selected_as_the_second_look_ends_is_not_said_to_be_gone(
    search: Search, selection: Selection, session: Session, services: Services, meanwhile: Meanwhile
) -> None:
    answers = search.searched("blue", True, session)
    late: list[object] = []
    next(answers)
    next(answers)
    meanwhile(services.access, "photo", lambda: late.extend(answers))
    assert 'data-photo="2"' in after(selection.selected(Event(photo="2"), session)).panel
    assert late == []


def test_without_refining_there_is_one_answer_and_what_fits_less_stands_below_the_line(
    search: Search, session: Session
) -> None:
    (only,) = search.searched("blue", False, session)
    above, below = after(only).grid.split("relevance falls off")
    assert "blue square" in above
    assert (above.count('class="hit"'), below.count('class="hit"')) == (1, 2)


def test_what_was_meant_by_a_misspelt_word_is_offered_until_something_else_is_asked(
    search: Search, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spelling, "FEWEST", 1)
    offered = [after(search.searched(words, False, session)).suggestions for words in ("2:Blue thingg", "blue thing")]
    assert ["Did you mean" in suggestions for suggestions in offered] == [True, False]
    assert 'data-query="2:Blue thing"' in offered[0]
    assert (
        "Did you mean" not in after(search.suggestion_chosen(Event(query="2:Blue thing"), False, session)).suggestions
    )


def test_where_no_photo_fits_plain_words_that_is_said_first(
    search: Search, many: Callable[[int, int], Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeEncoder, "usual_affinity", 1.9)
    reds = many(30, 0)
    for query, fits in (("red", True), ("yellow", False), ("yellow + blue", True)):  # of a sum nothing is known
        grid = after(search.searched(query, False, reds)).grid
        assert ("no photo fits these words well" in grid) is not fits
    after(search.searched("yellow", False, reds))
    assert "no photo fits these words well" in after(search.more(reds)).grid


def test_scores_on_show_never_rise_along_a_ranking(search: Search, session: Session) -> None:
    for query in ("blue", "red + blue", "green - red"):
        grid = after(search.searched(query, True, session)).grid
        scores = [int(score.replace("−", "-")) for score in re.findall(r"score (−?\d+)", grid)]
        assert scores == sorted(scores, reverse=True)
        assert len(scores) == 3


@pytest.fixture
def many(fill: Fill) -> Callable[[int, int], Session]:
    """Opens a gallery of so many reddish photos and so many bluish ones."""

    def visit_of(reds: int, blues: int) -> Session:
        colours = [*((255, i, 0) for i in range(reds)), *((0, i, 255) for i in range(blues))]
        return Session(gallery=fill("Many", {f"{number}.png": colour for number, colour in enumerate(colours)}))

    return visit_of


def test_a_page_more_comes_every_time(search: Search, many: Callable[[int, int], Session]) -> None:
    mine = many(3, 50)
    grids = [after(search.searched("red", False, mine)).grid, *(after(search.more(mine)).grid for _ in range(3))]
    assert [grid.count('class="hit"') for grid in grids] == [24, 48, 53, 53]
    assert [re.findall(r"Show (\d+) more", grid) for grid in grids] == [["24"], ["5"], [], []]
    assert all(grid.count("relevance falls off") == 1 for grid in grids)


def test_a_page_gets_no_longer_than_a_browser_bears_and_says_what_to_do(
    search: Search, many: Callable[[int, int], Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "MOST", 48)
    mine = many(3, 50)
    for asked, otherwise in (("red", "say more"), ("", "ask for them in words")):
        grids = [after(search.searched(asked, False, mine)).grid, *(after(search.more(mine)).grid for _ in range(2))]
        assert [grid.count('class="hit"') for grid in grids] == [24, 48, 48]
        assert [f"5 photos are not shown: {otherwise}" in grid for grid in grids] == [False, True, True]
        assert 'data-event="more"' not in grids[-1]


def test_where_more_than_a_page_stand_out_the_line_comes_after_them(
    search: Search, many: Callable[[int, int], Session]
) -> None:
    mine = many(30, 40)
    grid = after(search.searched("red", False, mine)).grid
    assert (grid.count('class="hit"'), "falls off" in grid) == (24, False)
    above, below = after(search.more(mine)).grid.split("relevance falls off")
    assert (above.count('class="hit"'), below.count('class="hit"')) == (30, 18)


def test_the_line_is_drawn_by_more_than_the_photos_that_are_listed(
    search: Search, many: Callable[[int, int], Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "POOL", 24)
    mine = many(26, 34)  # the first 24, which are listed, all fit
    after(search.searched("red", False, mine))
    assert mine.above == 26
    *_, (above, below) = (after(search.more(mine)).grid.split("relevance falls off") for _ in range(2))
    assert (above.count('class="hit"'), below.count('class="hit"')) == (26, 34)


def test_where_all_are_alike_no_line_is_drawn(search: Search, fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "POOL", 24)
    mine = Session(gallery=fill("Many", {f"{i}.png": (255, i // 2, i % 2) for i in range(60)}))
    grids = [after(search.searched("red", False, mine)).grid, *(after(search.more(mine)).grid for _ in range(2))]
    assert [grid.count('class="hit"') for grid in grids] == [24, 48, 60]
    assert not any("falls off" in grid for grid in grids)


def test_a_chosen_query_fills_the_search_box_and_is_remembered(search: Search, session: Session) -> None:
    assert after(search.suggestion_chosen(Event(query="green"), False, session)).query == "green"
    answer = after(search.searched("blue - red", False, session))
    assert 'data-query="green"' in answer.suggestions
    assert session.history == ["blue - red", "green"]


def test_each_answer_brings_its_words(search: Search, galleries: Galleries, session: Session) -> None:
    for asks in (
        lambda: search.suggestion_chosen(Event(query="green"), False, session),
        lambda: galleries.gone_to(Event(gallery="", q="red"), False, session),
    ):
        first, *answers = asks()
        assert answers, "which may come after the first words of an earlier question"
        assert all(changes[PARTS.query] == first[PARTS.query] for changes in answers)


def test_more_like_a_photo_is_a_query_by_its_picture(
    picture_search: PictureSearch, session: Session, library: Library
) -> None:
    green = list_photos(library, session.gallery or 0)[1]
    session.photo = green.id
    shown = after(picture_search.more_like_this(Event(), False, session))
    assert (shown.query, session.query) == ("", f"photo:{green.id}")
    assert f"photo/{green.id}/grid" in shown.chip
    assert "green square" in shown.grid


def test_words_join_the_picture_until_it_is_taken_out(
    search: Search, picture_search: PictureSearch, session: Session, library: Library
) -> None:
    green = list_photos(library, session.gallery or 0)[1]
    list(picture_search.more_like_this(Event(photo=str(green.id)), False, session))
    shown = after(search.searched("- red", False, session))
    assert session.query == f"photo:{green.id} - red"
    assert "unlike" in shown.chip
    assert session.history == []
    shown = after(picture_search.unliked(False, session))
    assert (session.query, shown.chip) == ("- red", "")


def test_a_correction_of_words_beside_a_picture_keeps_the_picture(
    search: Search,
    picture_search: PictureSearch,
    session: Session,
    library: Library,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spelling, "FEWEST", 1)
    green = list_photos(library, session.gallery or 0)[1]
    for typed, meant, query in (("thingg", "thing", "+ thing"), ("without a thing", "- thing", "- thing")):
        list(picture_search.more_like_this(Event(photo=str(green.id)), False, session))
        assert f'data-query="{meant}"' in after(search.searched(typed, False, session)).suggestions
        shown = after(search.suggestion_chosen(Event(query=meant), False, session))
        assert f"photo/{green.id}/grid" in shown.chip
        assert session.query == f"photo:{green.id} {query}"
    for typed in ("a photo of a thing", "+ no thing"):
        list(picture_search.more_like_this(Event(photo=str(green.id)), False, session))
        assert "Did you mean" not in after(search.searched(typed, False, session)).suggestions
    list(search.suggestion_chosen(Event(query="blue"), False, session))
    assert session.query == "blue", "another query that was offered is one of its own"


def test_a_photo_that_is_named_by_its_number_is_a_picture_in_the_box(
    search: Search, session: Session, library: Library
) -> None:
    green = list_photos(library, session.gallery or 0)[1]
    for typed in ("photo:{} + sky", "photo:{} sky", " PHOTO:{}  +  sky "):
        session.ask("")
        shown = after(search.searched(typed.format(green.id), False, session))
        assert shown.query.strip() == "sky"
        assert f"photo/{green.id}/grid" in shown.chip


def test_more_like_a_photo_that_is_not_there_is_a_sentence(picture_search: PictureSearch, session: Session) -> None:
    for photo in ("", "none", "9" * 30):
        shown = after(picture_search.more_like_this(Event(photo=photo), False, session))
        assert "not there any more" in shown.notice
        assert not hasattr(shown, "grid")  # what was on show stays


def test_a_picture_is_searched_with_and_not_kept(
    picture_search: PictureSearch, session: Session, library: Library, dropped: Callable[..., list[str]]
) -> None:
    (file,) = dropped(mine="green")
    before = summarize_gallery(library, session.gallery or 0).macs_pictures
    shown = after(picture_search.picture_given(file, False, session))
    assert (shown.picture, shown.query) == (None, "")
    assert "data:image/jpeg;base64," in shown.chip
    assert "one full encoding" in shown.answer
    assert summarize_gallery(library, session.gallery or 0).macs_pictures == before + library.encoder.full_macs
    assert "green square" in shown.grid
    assert not Path(file).exists()


def test_what_is_no_picture_is_named_over_the_answer_that_stays(
    search: Search, picture_search: PictureSearch, session: Session, dropped: Callable[..., list[str]]
) -> None:
    list(search.searched("a green square", False, session))
    (letter,) = dropped(letter=b"a letter")
    shown = after(picture_search.picture_given(letter, False, session))
    assert "letter" in shown.notice
    assert "green square" in shown.grid
    assert (shown.picture, session.query) == (None, "a green square")


def test_back_brings_a_picture_of_ones_own_and_the_words_beside_it(
    search: Search,
    picture_search: PictureSearch,
    galleries: Galleries,
    session: Session,
    dropped: Callable[..., list[str]],
) -> None:
    (file,) = dropped(mine="green")
    chip = after(picture_search.picture_given(file, False, session)).chip
    list(search.searched("- red", False, session))
    place = session.query
    list(picture_search.unliked(False, session))
    shown = after(galleries.gone_to(Event(gallery="", q=place), False, session))
    assert (shown.query, shown.chip) == ("- red", chip)


def test_back_to_a_picture_that_is_gone_keeps_the_words_and_says_so(
    search: Search, galleries: Galleries, session: Session
) -> None:
    for words in ("- red", ""):
        place = f"photo:dropped {words}".strip()
        event = Event(gallery="", q=place)
        for back in (True, False):
            shown = after(galleries.gone_to(event, True, session) if back else search.searched(place, True, session))
            assert (shown.query, session.query, shown.chip) == (words, words, "")
            assert "The picture that was searched with is gone" in shown.answer
            assert shown.grid.count('class="hit"') == 3


def test_words_are_answered_when_the_photo_that_they_stood_beside_is_gone(
    search: Search, galleries: Galleries, session: Session, library: Library, holidays: int
) -> None:
    for gone in (list_photos(library, holidays)[0].id, 9999):
        list(galleries.gone_to(Event(gallery="", q=f"photo:{gone}"), False, session))
        shown = after(search.searched("red", False, session))
        assert (session.query, shown.chip) == ("red", "")
        assert shown.grid.count('class="hit"') == 3


def test_a_second_picture_is_not_answered_with_the_ranking_of_the_first(
    picture_search: PictureSearch, session: Session, dropped: Callable[..., list[str]]
) -> None:
    answers = []
    for file in dropped(red="red", blue="blue"):
        answers.append(picture_search.picture_given(file, True, session))
        next(answers[-1])  # the box is emptied
        next(answers[-1])
    of_the_first, of_the_second = map(list, answers)
    assert of_the_first == []
    assert "answer" in vars(after(of_the_second))
    assert session.hits[0].photo.file == "blue-square.png"


@pytest.mark.parametrize("text", ["red", "99:red"])
def test_an_answer_that_comes_after_that_of_a_newer_question_is_not_shown(
    search: Search, session: Session, meanwhile: Meanwhile, text: str
) -> None:
    meanwhile(search_module, "embed_query", lambda: list(search.searched("blue", False, session)))
    assert list(search.searched(text, True, session)) == []
    assert session.hits[0].photo.file == "blue-square.png"


@pytest.mark.parametrize("looks", [0, 1])
def test_an_answer_that_is_drawn_while_a_newer_question_is_answered_is_not_shown(
    search: Search, session: Session, meanwhile: Meanwhile, looks: int
) -> None:
    answers = search.searched("red", True, session)
    for _ in range(looks):
        next(answers)
    meanwhile(results, "stacks", lambda: list(search.searched("blue", False, session)))
    assert list(answers) == []


@pytest.mark.parametrize("place", [(search_module, "search_photos"), (results, "results")], ids=["ranked", "drawn"])
def test_more_of_a_ranking_is_not_shown_over_the_answer_to_a_newer_question(
    search: Search, session: Session, meanwhile: Meanwhile, place: tuple[ModuleType, str]
) -> None:
    list(search.searched("red", False, session))
    meanwhile(*place, lambda: list(search.searched("blue", False, session)))
    assert list(search.more(session)) == []
    assert session.hits[0].photo.file == "blue-square.png"


@pytest.mark.parametrize("readable", [True, False])
def test_words_that_are_asked_while_a_picture_is_read_stay(
    search: Search,
    picture_search: PictureSearch,
    session: Session,
    meanwhile: Meanwhile,
    dropped: Callable[..., list[str]],
    readable: bool,
) -> None:
    (file,) = dropped(mine="green" if readable else b"a letter")
    meanwhile(picture_search_module, "embed_picture", lambda: list(search.searched("blue", False, session)))
    assert vars(after(picture_search.picture_given(file, False, session))) == {"picture": None}
    assert session.query == "blue"


def test_what_has_changed_the_photos_is_not_drawn_over_by_an_older_second_look(
    search: Search, galleries: Galleries, holidays: int, library: Library
) -> None:
    mine = Session(gallery=holidays)
    first = list_photos(library, holidays)[0]
    for change in (
        lambda: search.gallery_changed(mine),
        lambda: galleries.photos_deleted(Event(photos=str(first.id)), mine),
    ):
        second_look = search.searched("red + yellow", True, mine)
        next(second_look)
        list(change())
        assert list(second_look) == []


def test_any_text_is_a_query(search: Search, session: Session) -> None:
    for text in ("\x00", "\ud800".encode("utf-8", "replace").decode(), "<b>", "🦦", "- red"):
        assert "data-photo" in after(search.searched(text, False, session)).grid


def test_what_is_too_much_is_a_sentence(search: Search, session: Session) -> None:
    for text in ("x" * 100_000, "a + b" * 90, "99:red"):
        told = after(search.searched(text, True, session))
        assert "That did not work" in told.grid
        assert f'data-query="{text}"' in told.answer, "a step of Back, as an answer is"


def test_a_gallery_of_another_model_says_so_and_draws_no_wrong_strip(
    search: Search, overview: Overview, fake_encoder: FakeEncoder, holidays: int
) -> None:
    fake_encoder.identity = replace(fake_encoder.identity, weights="c" * 64)
    assert "It was indexed with fake" in after(search.searched("red", True, Session(gallery=holidays))).grid
    told = after(overview.shown(0.75, "", Session(gallery=holidays)))
    assert "have to be encoded again" in told.figures
    assert told.histogram == told.curve == ""
    assert "all 2 photos are encoded anew" in plain(told.budget_preview)
    assert told.apply["visible"]
    assert told.apply["value"] == "Encode all photos anew"


def test_a_gallery_with_other_exits_says_so_too(
    overview: Overview, services: Services, library: Library, holidays: int
) -> None:
    stages = library.encoder.stages[:2]
    encoder: Any = library.encoder
    encoder.exits, encoder.exit_macs, encoder.stages = 1, (100,), (*stages, replace(stages[1], exit=1))
    encoder.identity = replace(encoder.identity, exits_hash="")
    session = Session(gallery=holidays)
    assert "Indexed by an earlier model" in after(overview.shown(0.75, "", session)).figures
    assert 'role="alert"' in after(Present(services, PARTS).presented(Event(), session)).notice


def test_a_link_reopens_a_query_where_strangers_may(
    search: Search, session: Session, library: Library, holidays: int
) -> None:
    answer = after(search.searched("red + blue", False, session)).answer
    assert 'data-opens="?q=red+%2B+blue"' in answer
    assert "data-share" not in answer, "what strips carry, as a number"
    mine = Session(gallery=holidays)
    assert "data-opens" not in after(search.searched("red", False, mine)).answer
    link = publish_gallery(library, holidays, True)
    assert f"?gallery={link}&amp;q=red" in after(search.searched("red", False, mine)).answer


def test_who_is_not_known_any_more_is_given_a_button_that_loads_the_page_again(search: Search) -> None:
    told = after(search.searched("red", False, Session())).grid
    assert "does not know this page" in told
    assert 'data-event="reload"' in told
    told = after(search.searched("red", True, Session(gallery=999))).grid
    assert "not there any more" in told
    assert 'data-event="reload"' not in told, "of a gallery that is gone"
