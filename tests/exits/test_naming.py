"""Wide words stand for things that are named one by one."""

import pytest

from engine.exits.naming import asked_for, kinds_of, texts_naming, wide_words
from engine.utils.paths import TEXT_BANK, THINGS
from engine.utils.word_lists import lists_of


@pytest.mark.parametrize("said", ["animals", "animal", "an animal", " Animals ", "my animals?", "find animals"])
def test_a_wide_word_may_be_said_in_several_ways(said: str) -> None:
    assert kinds_of(said) == kinds_of("animals") != frozenset()


@pytest.mark.parametrize(
    ("phrase", "asked"),
    [
        ("show me dogs", "dogs"),
        ("Can you find me all pictures of my dogs?", "dogs"),
        ("Where is my dog?", "dog"),
        ("do you have any photos of birds", "birds"),
        ("“the sea”", "sea"),
        ("find the photo of a dog running on the beach.", "a dog running on the beach"),
        ("a dog", "a dog"),
        ("all of my dogs", "dogs"),
        ("can you please show me dogs", "dogs"),
        ('"dog" and "cat"', '"dog" and "cat"'),
        ("show jumping", "show jumping"),
        ("find", "find"),
        ("my", "my"),
        ("...", "..."),
        ("The man is riding a bike.", "The man is riding a bike."),
    ],
)
def test_how_people_ask_is_no_part_of_what_they_ask_for(phrase: str, asked: str) -> None:
    assert asked_for(phrase) == asked


@pytest.mark.parametrize("said", ["a koala", "animals in a zoo", "", "an", "photos"])
def test_other_phrases_are_no_wide_words(said: str) -> None:
    assert kinds_of(said) == frozenset()


def test_texts_name_things_in_one_word_or_more_and_in_the_plural() -> None:
    texts = ("a koala in a tree", "two golden retrievers", "Cherries", "a man with butterflies", "a catalogue", "")
    found = [texts_naming(word, texts).tolist() for word in ("animals", "people", "vehicles")]
    assert found == [
        [True, True, False, True, False, False],
        [False, False, False, True, False, False],
        [False] * 6,
    ]


def test_a_text_names_what_a_phrase_does_where_it_holds_all_of_its_words() -> None:
    texts = ("a red car on a road", "two cars", "a blue door", "a koala")
    for phrase, which in {
        "red cars": [0],
        "a car": [0, 1],
        "an animal": [3],
        "a photo of a koala": [3],
        "cars are red": [0],
    }.items():
        assert texts_naming(phrase, texts).nonzero()[:, 0].tolist() == which
    for phrase in ("the", "", "a green car", "\u200f"):
        assert not texts_naming(phrase, texts).any()


@pytest.mark.parametrize("word", wide_words())
def test_the_bank_has_texts_of_every_wide_word_and_many_others(word: str) -> None:
    assert kinds_of(word) <= lists_of(THINGS).keys()
    texts = tuple(TEXT_BANK.read_text("utf-8").splitlines())
    assert 100 < texts_naming(word, texts).sum() < len(texts) / 3
