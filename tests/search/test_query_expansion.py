"""Short queries lean towards what the bank names; sentences stay what they are."""

import numpy as np
import pytest
from torch import Tensor

from engine.exits.encoder import Encoder
from engine.exits.naming import texts_naming
from engine.search.query_expansion import embed_words
from tests.demo_gallery import ANIMALS


def test_a_wide_word_finds_what_it_is_a_word_for(embedded: Encoder, shown: dict[str, Tensor]) -> None:
    photos = np.stack([vector.numpy() for vector in shown.values()])
    (animal,) = embed_words(embedded, ["an animal"])
    ranked = [list(shown)[place] for place in np.argsort(-photos @ animal)]
    assert set(ranked[: len(ANIMALS)]) == ANIMALS


def test_a_word_leans_towards_the_texts_that_name_it_and_keeps_its_length(embedded: Encoder) -> None:
    leant, plain = embed_words(embedded, ["kayaks"])[0], embedded.encode_text(["kayaks"])[0]
    naming = texts_naming("kayaks", embedded.bank.texts)
    towards = embedded.bank.vectors[: len(naming)][naming].mean(0).numpy()
    assert np.linalg.norm(leant) == pytest.approx(1, abs=1e-5)
    assert leant @ towards > plain @ towards + 0.02
    assert leant @ plain > 0.5


def test_who_asks_politely_gets_what_others_get(embedded: Encoder) -> None:
    for polite in ("Can you show me kayaks?", "photos of my kayaks", "kayaks."):
        assert np.array_equal(embed_words(embedded, [polite]), embed_words(embedded, ["kayaks"]))


def test_two_words_that_few_texts_name_together_lean_towards_what_names_each(embedded: Encoder) -> None:
    (leant,), (plain,) = embed_words(embedded, ["birds flying"]), embedded.encode_text(["birds flying"])
    assert np.linalg.norm(leant) == pytest.approx(1, abs=1e-5)
    for word in ("birds", "flying"):
        naming = texts_naming(word, embedded.bank.texts)
        others = embedded.bank.vectors[: len(naming)]
        towards = (others[naming].mean(0) - others[~naming].mean(0)).numpy()
        assert leant @ towards > plain @ towards


@pytest.mark.parametrize(
    "text", ["flying xyzzy", "two girls in red dresses chase a balloon past a shop", "xyzzy", "the", ""]
)
def test_what_few_texts_of_the_bank_name_stays_as_it_is(embedded: Encoder, text: str) -> None:
    assert np.array_equal(embed_words(embedded, [text]), embedded.encode_text([text]))


def test_nothing_is_embedded_of_no_texts(embedded: Encoder) -> None:
    assert embed_words(embedded, []).shape == (0, embedded.dim)
