"""Wide words stand for things that are named one by one."""

import pytest

from engine.albums.wide_words import kinds_of, texts_of, wide_words
from engine.utils.paths import TEXT_BANK, THINGS
from engine.utils.word_lists import lists_of


@pytest.mark.parametrize("said", ["animals", "animal", "an animal", " Animals "])
def test_a_wide_word_may_be_said_in_several_ways(said: str) -> None:
    assert kinds_of(said) == kinds_of("animals") != frozenset()


@pytest.mark.parametrize("said", ["a koala", "animals in a zoo", "", "an", "photos"])
def test_other_phrases_are_no_wide_words(said: str) -> None:
    assert kinds_of(said) == frozenset()


def test_texts_name_things_in_one_word_or_more_and_in_the_plural() -> None:
    texts = ("a koala in a tree", "two golden retrievers", "Cherries", "a man with butterflies", "a catalogue", "")
    found = texts_of(["animals", "people", "vehicles"], texts)
    assert found.tolist() == [
        [True, True, False, True, False, False],
        [False, False, False, True, False, False],
        [False] * 6,
    ]


@pytest.mark.parametrize("word", wide_words())
def test_the_bank_has_texts_of_every_wide_word_and_many_others(word: str) -> None:
    assert kinds_of(word) <= lists_of(THINGS).keys()
    texts = tuple(TEXT_BANK.read_text("utf-8").splitlines())
    assert 100 < texts_of([word], texts).sum() < len(texts) / 3
