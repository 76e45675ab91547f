"""Misspelt words are put right where a text has one that differs by a letter."""

import pytest

from engine.exits.encoder import Encoder
from engine.search.spelling import put_right

TEXTS = ("a dog on a beach", "a dog in a forest", "a fog in a forest", "two tulips", "a bicycle")


@pytest.mark.parametrize(
    ("query", "right"),
    [
        ("a dgo on a bech", "a dog on a beach"),  # two letters changed places, and one is left out
        ("Forrest", "forest"),
        ("2:bicucle + Dog", "2:bicycle + Dog"),
        ("dxg", "dog"),
        ("vog", "dog"),  # fog is as near, and used less
        ("a tulip", "a tulip"),  # of what is used in the plural
        ("frst", "frst"),  # two letters
        ("og x 16:9 don't t-shrt", "og x 16:9 don't t-shrt"),
        ("a cat", "a cat"),  # known, and near nothing
        ("dug", "dug"),
        ("", ""),
    ],
)
def test_a_word_is_put_right_by_one_letter_and_the_rest_stays(query: str, right: str) -> None:
    assert put_right(query, TEXTS, {"dug", "cat"}.__contains__) == right


def test_the_shipped_model_knows_common_words_whole(embedded: Encoder) -> None:
    assert all(map(embedded.reads_whole, ("dog", "kneeling", "gathered")))
    assert not any(map(embedded.reads_whole, ("dgoo", "motorcyle")))
    assert put_right("a man on a motorcyle", embedded.bank.texts, embedded.reads_whole) == "a man on a motorcycle"
