"""Which texts of the bank name what is asked for.

A text tower that learned from sentences makes little of a word or two, and one that knows a koala need not know that it
is an animal. The texts of the bank that name the same things say more. Some wide words, `assets/wide_words.txt`, stand
for kinds of things that are named one by one.
"""

import re
from functools import cache, lru_cache

import torch
from torch import Tensor

from engine.utils.paths import THINGS, WIDE_WORDS
from engine.utils.word_lists import lists_of

WORD = re.compile(r"\w(?:[\w'-]*\w)?")
LONGEST = 4  # words of a thing's name
OVERLOOKED = frozenset(
    ["a", "an", "and", "are", "at", "by", "in", "is", "of", "on", "photo", "picture", "the", "to", "with"]
)
# How people ask, before what they ask for.
_REQUEST = re.compile(
    r"^(?:please )?(?:(?:(?:can|could) you (?:please )?)?(?:show|find|get|give)(?: me| us)(?: please)?|find|search for|"
    r"i(?:['’]m| am) looking for|i (?:want|would like) to see|where (?:is|are)|do you have|(?:is|are) there)\s+(?=\w)",
    re.IGNORECASE,
)
_OF = re.compile(r"^(?:(?:all|any|some|of|the|my|our) )*(?:photos?|pictures?|pics?|images?) of\s+(?=\w)", re.IGNORECASE)
_WHOSE = re.compile(r"^(?:(?:all|any|some|the|my|our)\s+(?:of\s+)?)+(?=\w)", re.IGNORECASE)

_QUOTED = re.compile(r'^["“]([^"“”]*)["”]$')


def asked_for(phrase: str) -> str:
    """What a phrase asks for, less how it asks; a sentence that describes a photo stays as it is."""
    said = _QUOTED.sub(r"\1", phrase.strip().rstrip(" .?!,;")).rstrip(" .?!,;") or phrase
    asked = _OF.sub("", _REQUEST.sub("", said))
    if len(WORD.findall(asked)) <= LONGEST:
        return _WHOSE.sub("", asked)
    return asked if asked != said else phrase


def kinds_of(phrase: str) -> frozenset[str]:
    """The kinds that a phrase stands for; none where it is no wide word."""
    return _wide().get(re.sub(r"^an? ", "", asked_for(phrase).casefold()), frozenset())


def wide_words() -> list[str]:
    """The wide words, each in its first form."""
    return [words.split(", ")[0] for words in lists_of(WIDE_WORDS)]


def names_of_things() -> list[str]:
    """All names of things that are one word, each once, as they are written."""
    return list(dict.fromkeys(name for names in lists_of(THINGS).values() for name in names if " " not in name))


def texts_naming(phrase: str, texts: tuple[str, ...]) -> Tensor:
    """(N,) bool: which texts name what a phrase does: a thing of its kinds, or the same in all of its words."""
    if kinds := kinds_of(phrase):
        return torch.tensor([not kinds.isdisjoint(own) for own in _kinds_named(texts)])
    rows = _rows_of_words(texts)
    words = [rows.get(_singular(word), frozenset()) for word in telling_words(phrase)]
    found = torch.zeros(len(texts), dtype=torch.bool)
    found[list(frozenset.intersection(*words) if words else [])] = True
    return found


def telling_words(phrase: str) -> list[str]:
    """The words of a phrase that tell it from others, as they are written, in lower case."""
    return [word for word in WORD.findall(phrase.casefold()) if word not in OVERLOOKED]


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
def _kinds_named(texts: tuple[str, ...]) -> tuple[frozenset[str], ...]:
    """The kinds of all things that each text names."""
    things, found = _things(), list[frozenset[str]]()
    for words in map(_words, texts):
        spans = ((i, i + many) for i in range(len(words)) for many in range(1, LONGEST + 1))
        found.append(frozenset(kind for i, j in spans for kind in things.get(" ".join(words[i:j]), ())))
    return tuple(found)


@lru_cache(maxsize=2)
def _rows_of_words(texts: tuple[str, ...]) -> dict[str, frozenset[int]]:
    """The numbers of the texts that each word stands in."""
    found: dict[str, set[int]] = {}
    for number, words in enumerate(map(_words, texts)):
        for word in words:
            found.setdefault(word, set()).add(number)
    return {word: frozenset(numbers) for word, numbers in found.items()}


def _words(text: str) -> list[str]:
    """The words of a text, plural or not."""
    return [_singular(word) for word in WORD.findall(text.casefold())]


def _singular(word: str) -> str:
    """A word without the ending of a regular plural."""
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    return re.sub(r"(?<=x|h)es$|(?<=[^s])s$", "", word)
