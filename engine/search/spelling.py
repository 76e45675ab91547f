"""Spelling: what was probably meant by a word that no text uses, and that differs from one of theirs by a letter."""

import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from string import ascii_lowercase

SHORTEST = 3  # letters of a word that is put right
_WORD = re.compile(r"[\w'-]+")


def put_right(query: str, texts: tuple[str, ...], is_word: Callable[[str], bool]) -> str:
    """A query with its misspelt words put right, where that is possible.

    Args:
        texts: whose words are right; of several the one that is used most is meant.
        is_word: whether a word is one, though they do not use it.
    """
    counts = _counts(texts)

    def right(found: re.Match[str]) -> str:
        word = found[0].casefold()
        if len(word) < SHORTEST or not word.isalpha() or word in counts or is_word(word):
            return found[0]
        near = _a_letter_away(word) & counts.keys()
        if not near or {f"{word}s", word.removesuffix("s")} & near:  # one of them alone is used: it is right, too
            return found[0]
        return max(near, key=lambda other: (counts[other], other))

    return _WORD.sub(right, query)


@lru_cache(maxsize=2)
def _counts(texts: tuple[str, ...]) -> Counter[str]:
    """How often texts use each word."""
    return Counter(word for text in texts for word in _WORD.findall(text.casefold()) if len(word) >= SHORTEST)


def _a_letter_away(word: str) -> set[str]:
    """What becomes of a word with a letter less, more or another, or two that have changed places (Damerau 1964)."""
    halves = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    return {
        *(start + end[1:] for start, end in halves if end),
        *(start + letter + end for start, end in halves for letter in ascii_lowercase),
        *(start + letter + end[1:] for start, end in halves if end for letter in ascii_lowercase),
        *(start + end[1] + end[0] + end[2:] for start, end in halves if len(end) > 1),
    }
