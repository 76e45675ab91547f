"""Misspelt words are corrected where a text has one that differs by a letter."""

import pytest

from engine.exits.encoder import Encoder
from engine.search.spelling import correct

TEXTS = (*["a dog on a beach", "a dog on grass in a forest", "a fog", "two tulips", "a bicycle"] * 4, "a dog", "a yak")


@pytest.mark.parametrize(
    ("query", "corrected"),
    [
        ("a dgo on a bech", "a dog on a beach"),  # two letters changed places, and one is left out
        ("Forrest", "forest"),
        ("2:bicucle + Dog", "2:bicycle + Dog"),
        ("dog -beech", "dog -beach"),
        ("'dxg'", "'dog'"),
        ("vog", "dog"),  # fog is as near, and used less
        ("gras", "grass"),
        ("fomrest", "forest"),
        ("dogss", "dogs"),
        ("a tulip", "a tulip"),  # of what is used in the plural
        ("frst", "frst"),  # two letters
        ("yk", "yk"),  # too short
        ("avacado", "avocado"),  # a name, though no text uses it
        ("a dog in DXG", "a dog in DXG"),  # a name of its own
        ("A DXG", "A dog"),
        ("dog.dxg", "dog.dxg"),  # a file's suffix
        ("dog pics", "dog pics"),
        ("fog schneeweiss dgo", "fog schneeweiss dgo"),  # another language again: it is near nothing
        ("yaks and yap", "yaks and yap"),  # of what is used once
        ("og x 16:9 don't t-shrt", "og x 16:9 don't t-shrt"),
        ("fogg int forrest", "fogg int forrest"),  # most of it: another language
        ("a cat", "a cat"),  # near nothing
        ("dug", "dug"),  # a word
        ("", ""),
    ],
)
def test_a_word_is_corrected_by_one_letter_and_the_rest_stays(query: str, corrected: str) -> None:
    texts = (*TEXTS, *["two dogs"] * 3) if query == "dogss" else TEXTS
    assert correct(query, texts, {"dug"}.__contains__) == corrected


@pytest.mark.parametrize(
    ("slip", "meant"), [("flowr", "flower"), ("wman", "woman"), ("wite", "white"), ("hosre", "horse")]
)
def test_a_letter_left_out_or_swapped_is_likelier_than_another(embedded: Encoder, slip: str, meant: str) -> None:
    assert correct(slip, embedded.bank.texts, embedded.reads_whole) == meant, (
        "though more texts have floor, man and with"
    )


def test_the_shipped_model_knows_common_words_whole(embedded: Encoder) -> None:
    assert all(map(embedded.reads_whole, ("dog", "kneeling", "gathered")))
    assert not any(map(embedded.reads_whole, ("dgoo", "motorcyle")))
    assert correct("a man on a motorcyle", embedded.bank.texts, embedded.reads_whole) == "a man on a motorcycle"
    for query in ("haus mit garten", "my cat anna", "a puffin on a rock", "two pugs"):
        assert correct(query, embedded.bank.texts, embedded.reads_whole) == query
