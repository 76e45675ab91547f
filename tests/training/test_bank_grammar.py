import re
from pathlib import Path

import pytest

from engine.exits.phrases import read_texts
from engine.training.bank_grammar import LONGEST, plural, with_articles, with_ing, with_s, write_bank
from engine.utils.paths import TEXT_BANK


def test_the_shipped_bank_is_what_the_grammar_makes(tmp_path: Path) -> None:
    made = tmp_path / "bank.txt"
    assert write_bank(made) == len(read_texts(TEXT_BANK))
    assert made.read_bytes() == TEXT_BANK.read_bytes()


def test_the_bank_is_wide_and_holds_each_text_once() -> None:
    texts = read_texts(TEXT_BANK)
    assert 3_000 <= len(texts) <= 20_000
    assert len(set(texts)) == len(texts)
    assert max(map(len, texts)) <= LONGEST
    assert not re.search(r"[{}\[\]()|^]|  ", "\n".join(texts))  # nothing of the grammar is left


def test_articles_fit_the_words_after_them() -> None:
    text = TEXT_BANK.read_text(encoding="utf-8")
    assert re.findall(r"\ba (?=[aeio])(?!one\b|eu|ewe)\w+", text) == []
    assert re.findall(r"\ban (?![aeiou]|hour)(?!X-ray|MRI|ECG)\w+", text, re.IGNORECASE) == []


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("a apple", "an apple"),
        ("an uniform", "a uniform"),
        ("a X-ray of a arm", "an X-ray of an arm"),
        ("an USB stick", "a USB stick"),
    ],
)
def test_with_articles(text: str, right: str) -> None:
    assert with_articles(text) == right


def test_word_forms() -> None:
    nouns = ["box", "cherry", "tomato", "loaf of bread", "pair of pliers", "merino sheep", "piano", "toy", "box turtle"]
    many = ["boxes", "cherries", "tomatoes", "loaves of bread", "pairs of pliers", "merino sheep", "pianos", "toys"]
    assert [plural(noun) for noun in nouns] == [*many, "box turtles"]
    assert [with_s(verb) for verb in ("carry", "catch", "go", "play")] == ["carries", "catches", "goes", "plays"]
    verbs = ["run", "ride", "tie", "see", "play", "shovel", "peel", "throw"]
    forms = ["running", "riding", "tying", "seeing", "playing", "shovelling", "peeling", "throwing"]
    assert [with_ing(verb) for verb in verbs] == forms
