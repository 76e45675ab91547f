"""What a word holds and finds is measured on photos whose labels or captions name it."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from engine.evaluation.named_photos import NamedPhotos
from engine.exits.encoder import Encoder
from engine.training.dataset import Example
from tests.demo_gallery import ANIMALS


def named(embedded: Encoder, shown: dict[str, Tensor]) -> NamedPhotos:
    """The demo gallery, its animals captioned as such."""
    texts = {name: ("an animal", "one animal more") if name in ANIMALS else ("a thing",) for name in shown}
    examples = [Example(Path(name), texts[name], "test") for name in shown]
    return NamedPhotos(embedded, examples, torch.stack(list(shown.values())))


def test_an_album_of_a_wide_word_holds_more_than_the_word_alone(embedded: Encoder, shown: dict[str, Tensor]) -> None:
    (row,) = named(embedded, shown).held()
    assert (row["word"], row["photos"], row["others_photos"]) == ("animals", len(ANIMALS), len(shown) - len(ANIMALS))
    assert row["held"] == 100 > row["alone"]
    assert row["others_held"] < 10


def test_a_search_for_a_word_finds_more_than_the_word_alone(embedded: Encoder, shown: dict[str, Tensor]) -> None:
    (found,) = named(embedded, shown).found()
    assert (found["sought"], found["searches"]) == ("a word", 1), "animals and animal are one wide word"
    assert found["searched"] > 95
    assert found["alone"] < found["searched"]


def test_of_two_words_those_are_searched_for_that_stand_side_by_side(
    embedded: Encoder, shown: dict[str, Tensor]
) -> None:
    photos = named(embedded, shown)
    texts = [("a wild animal is shown",) * 2 if e.path.name in ANIMALS else e.texts for e in photos.examples]
    wild = replace(photos, examples=[replace(e, texts=t) for e, t in zip(photos.examples, texts, strict=True)])
    _, found = wild.found()
    assert (found["sought"], found["searches"]) == ("two", 1), "animal shown is the same"
    assert found["searched"] > 90


def test_of_a_label_that_is_none_of_our_names_nothing_is_told(embedded: Encoder, shown: dict[str, Tensor]) -> None:
    photos = named(embedded, shown)
    nameless = replace(photos, examples=[replace(e, label="xyzzy") for e in photos.examples])
    assert nameless.held() == []
    assert list(nameless.found()) == []
