"""Wide words: what an album named "animals" holds, where a text tower knows a koala and not that it is an animal.

A wide word stands for the texts of the bank that name a thing of its kinds (`assets/wide_words.txt`).
"""

import re
from collections.abc import Sequence
from functools import cache, lru_cache

import torch
from torch import Tensor

from engine.utils.paths import THINGS, WIDE_WORDS
from engine.utils.word_lists import lists_of

LONGEST = 4  # words of a thing's name


def kinds_of(phrase: str) -> frozenset[str]:
    """The kinds that a phrase stands for; none where it is no wide word."""
    return _wide().get(re.sub(r"^an? ", "", phrase.strip().casefold()), frozenset())


def wide_words() -> list[str]:
    """The wide words, each in its first form."""
    return [words.split(", ")[0] for words in lists_of(WIDE_WORDS)]


def texts_of(phrases: Sequence[str], texts: tuple[str, ...]) -> Tensor:
    """(P, N) bool: which texts, of a bank or others, name a thing of the kinds of each of some wide words."""
    named = _named(texts)
    return torch.tensor([[not kinds.isdisjoint(own) for own in named] for kinds in map(kinds_of, phrases)])


@cache
def _wide() -> dict[str, frozenset[str]]:
    return {word: frozenset(kinds) for words, kinds in lists_of(WIDE_WORDS).items() for word in words.split(", ")}


@cache
def _things() -> dict[str, set[str]]:
    """The kinds of each name of a thing."""
    found: dict[str, set[str]] = {}
    for kind, names in lists_of(THINGS).items():
        for name in names:
            found.setdefault(" ".join(_words(name)), set()).add(kind)
    return found


@lru_cache(maxsize=2)
def _named(texts: tuple[str, ...]) -> tuple[frozenset[str], ...]:
    """The kinds of all things that each text names."""
    things, found = _things(), list[frozenset[str]]()
    for words in map(_words, texts):
        spans = ((i, i + many) for i in range(len(words)) for many in range(1, LONGEST + 1))
        found.append(frozenset(kind for i, j in spans for kind in things.get(" ".join(words[i:j]), ())))
    return tuple(found)


def _words(text: str) -> list[str]:
    """The words of a text, plural or not."""
    return [_singular(word) for word in re.findall(r"[\w'-]+", text.casefold())]


@cache
def _singular(word: str) -> str:
    """A word without the ending of a regular plural."""
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    return re.sub(r"(?<=x|h)es$|(?<=[^s])s$", "", word)
