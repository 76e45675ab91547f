"""Wide words are found once for the photos that a gallery has."""

from dataclasses import replace

import pytest

from app import wide_words
from app.wide_words import GALLERIES_KEPT, WideWords
from engine.gallery import Library
from tests.app.shown_examples import SUMMARY


def test_words_are_found_again_where_photos_have_come_and_kept_of_the_last_galleries_only(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[int]()
    monkeypatch.setattr(wide_words, "propose_albums", lambda _, id: asked.append(id) or [f"words {len(asked)}"])
    words = WideWords(library)
    first = replace(SUMMARY, id=1, photos=3)
    more = replace(first, photos=4)
    assert words.known(first) == []
    assert words.of(first) == words.of(first) == words.known(more) == ["words 1"]
    assert not words.is_known(more)
    assert words.of(more) == ["words 2"]
    for id in range(2, GALLERIES_KEPT + 2):
        words.of(replace(first, id=id))
    words.of(more)
    assert asked == [1, 1, *range(2, GALLERIES_KEPT + 2), 1]
    assert words.of(replace(SUMMARY, id=999, photos=0)) == []
