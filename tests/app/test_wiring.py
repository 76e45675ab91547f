"""What follows from an event of the page, whichever handler answers it."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import wraps
from inspect import isclass, isfunction, isgeneratorfunction
from typing import Any

import gradio as gr
import pytest

from app import wiring
from app.handlers import galleries
from app.layout import build
from app.parts import Updates
from app.services import Services
from app.session import Session
from tests.app.shown_examples import SUMMARY


def silent(handler: Callable[..., Any]) -> Callable[..., Iterator[Any]]:
    """A handler that has nothing to say."""

    @wraps(handler)
    def says_nothing(*given: Any) -> Iterator[Any]:
        yield from ()

    return says_nothing


def test_a_handler_that_says_nothing_leaves_the_page_as_it_is(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in filter(isclass, vars(wiring).values()):
        for name, handler in list(vars(kind).items()):
            answers = isfunction(handler) and handler.__annotations__.get("return") == Iterator[Updates]
            if kind.__module__.startswith("app.handlers") and answers:
                monkeypatch.setattr(kind, name, silent(handler))
    page = build(services, "a secret")
    handlers = [event.fn for event in page.fns.values() if isgeneratorfunction(event.fn)]
    assert len(handlers) > 30
    for handler in handlers:
        said = list(handler(Session()))
        assert said == 2 * [gr.skip()]


def test_what_a_handler_says_comes_as_it_is_and_changes_nothing_when_gradio_repeats_the_end() -> None:
    assert list(wiring.once(lambda many: iter(range(many)))(3)) == [0, 1, 2, gr.skip()]


def test_of_two_questions_the_later_one_is_answered_whichever_thread_begins_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arrived = iter((1, 4, 2, 6, 5))
    monkeypatch.setattr(wiring, "arrival", lambda: next(arrived))
    asked: list[str] = []

    def searched(words: str, session: Session) -> Iterator[str]:
        asked.append(words)
        session.ask(words)
        return iter([words])

    answers, tells, visitor = wiring.newest(searched), wiring.newest(lambda session: iter(())), Session()
    assert [list(answers(words, visitor)) for words in ("dog", "cat", "late")] == [["dog"], ["cat"], []]
    assert not list(tells(visitor))  # the gallery box, of the one on show: it has asked nothing
    assert list(answers("bird", visitor)) == ["bird"]
    assert asked == ["dog", "cat", "bird"]


def test_the_tab_that_is_open_shows_the_gallery_that_came_on_show(services: Services) -> None:
    events = build(services, "a secret").fns
    for brings_a_gallery in ("chosen", "gone_to", "begun", "from_folder"):
        first = next(number for number, event in events.items() if event.name == brings_a_gallery)
        follows = {event.fn for event in events.values() if event.trigger_after == first}
        assert {getattr(fn, "__qualname__", "") for fn in follows} == {
            "Compare.shown_if_open",
            "Overview.shown_if_open",
            "Albums.shown_if_open",
        }


def test_what_is_on_show_follows_the_box_for_second_looks_and_another_budget(services: Services) -> None:
    events = build(services, "a secret").fns
    assert [event.targets[0][1] for event in events.values() if event.name == "asked_again"] == ["input"]
    applied = next(number for number, event in events.items() if event.name == "applied")
    follows = {event.name for event in events.values() if event.trigger_after == applied}
    assert follows == {"shown", "map_if_open"}


def test_what_is_told_of_uploads_follows_another_name_and_a_deletion_of_their_gallery(services: Services) -> None:
    events = build(services, "a secret").fns
    numbers = {getattr(event.fn, "__qualname__", ""): number for number, event in events.items()}
    for change in ("renamed", "deleted"):
        follows = [event.name for event in events.values() if event.trigger_after == numbers[f"Galleries.{change}"]]
        assert follows == ["told"]


def test_what_picks_a_gallery_may_change_all_that_picking_one_changes(services: Services) -> None:
    events = {getattr(event.fn, "__qualname__", ""): event for event in build(services, "a secret").fns.values()}
    changes = {part._id for part in events["Galleries.chosen"].outputs}
    for picks in ("Galleries.deleted", "AddPhotos.shown", "Galleries.gone_to"):
        assert changes <= {part._id for part in events[picks].outputs}


def test_what_is_asked_in_another_tab_is_answered_among_the_results_by_one_event(services: Services) -> None:
    events = build(services, "a secret").fns.values()
    (searched,) = (event for event in events if event.name == "searched")
    together = [event.name for event in events if {*searched.targets} & {*event.targets}]
    assert together == ["searched"]
    assert searched.js == wiring.OPEN_RESULTS
    assert not [part for part in searched.outputs if isinstance(part, gr.Tabs)], "or a tab opened meanwhile is left"


def test_no_click_on_who_may_look_waits_until_another_gallery_is_on_show(services: Services) -> None:
    (published,) = (event for event in build(services, "a secret").fns.values() if event.name == "published")
    assert published.trigger_mode == "multiple"


def test_a_race_can_be_started_before_the_page_has_heard_the_end_of_one_that_was_stopped(services: Services) -> None:
    (raced,) = (event for event in build(services, "a secret").fns.values() if event.name == "raced")
    assert raced.trigger_mode == "multiple"


def test_a_preset_is_chosen_before_apply_can_be_pressed(services: Services) -> None:
    (chosen,) = (event for event in build(services, "a secret").fns.values() if event.js == wiring.CHOSEN_PRESET)
    assert [event for _, event in chosen.targets] == ["preset"]
    assert chosen.fn is None, "no answer is waited for"


def test_the_question_before_a_gallery_goes_names_it_without_its_count() -> None:
    after_name = re.search(r"replace\(/(.+)/, ", wiring.CONFIRM_DELETE)
    assert after_name is not None
    for photos in (7, 1234, 1234567):
        label = galleries._label(replace(SUMMARY, name="Sea · 2026", photos=photos))
        assert re.sub(after_name[1], "", label) == "Sea · 2026"
