"""The shipped guide texts: phrases a person would write, each once."""

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

LIST = Path(__file__).parents[2] / "assets" / "guide_texts.txt"


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return LIST.read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def phrases(lines: list[str]) -> list[str]:
    return [line for line in lines if line and not line.startswith("#")]


def test_there_are_about_a_thousand(phrases: list[str]) -> None:
    assert 900 <= len(phrases) <= 1100


def test_no_phrase_stands_twice(phrases: list[str]) -> None:
    assert [phrase for phrase, times in Counter(phrases).items() if times > 1] == []


def test_each_is_one_to_five_plain_lowercase_words(phrases: list[str]) -> None:
    word = r"[a-z]+(?:[-'][a-z]+)*"
    assert [phrase for phrase in phrases if not re.fullmatch(rf"{word}(?: {word}){{0,4}}", phrase)] == []


def test_every_phrase_belongs_to_a_named_group(lines: list[str]) -> None:
    assert lines[0].startswith("# ")
    groups = [line for line in lines if line.startswith("#")]
    assert len(groups) >= 20
    assert len(set(groups)) == len(groups)
    following = {after for before, after in pairwise(lines) if before.startswith("#")}
    assert all(line and not line.startswith("#") for line in following), "a group is empty"
