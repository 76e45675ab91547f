"""Spelling: what was probably meant by a word that no text uses, and that differs by a letter from one that some do.

A word of another language, or a name, may be near to one of ours, too: corrections are offered, and never made.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from string import ascii_lowercase

from engine.exits.naming import WORD, names_of_things

SHORTEST, LONGEST = 3, 20  # letters of a word that is corrected
FEWEST = 3  # uses of a word that others are corrected to
PHOTOS = ("pic", "pics", "jpg", "jpeg", "png", "gif", "heic", "hdr", "selfie", "selfies", "bokeh", "bday")
# Rough shares of slips of one letter; to leave one out is the commonest (Pollock and Zamora 1983).
LEFT_OUT, ADDED, ANOTHER, SWAPPED = 0.34, 0.27, 0.19, 0.125


def correct(query: str, texts: tuple[str, ...], is_word: Callable[[str], bool]) -> str:
    """A query with its misspelt words corrected; as it is where most of its words are unknown, as of another language.

    Args:
        texts: whose words are right; of several the likeliest is meant (a noisy channel: Kernighan 1990).
        is_word: whether a word is one, though they do not use it.
    """
    counts, corrections, unknown = _counts(texts), dict[str, str](), set[str]()
    said = [match for match in WORD.finditer(query) if not query[: match.start()].endswith(".")]  # no file's suffix
    for word in {match[0].casefold() for match in said if not match[0].isupper() or query.isupper()}:
        if not (SHORTEST <= len(word) <= LONGEST and word.isalpha()) or word in counts or is_word(word):
            continue
        near = {other: counts[other] * chance for other, chance in _a_letter_away(word) if counts[other] >= FEWEST}
        if near and _differs_in_number(word, near):
            continue
        unknown.add(word)
        if near:
            corrections[word] = max(near, key=lambda other: (near[other], other))
    if 2 * len(unknown) > max(2, len(said)):
        return query
    return WORD.sub(lambda match: corrections.get(match[0].casefold(), match[0]), query)


@lru_cache(maxsize=2)
def _counts(texts: tuple[str, ...]) -> Counter[str]:
    """How often texts use each word; names of things count as used, and how people call photos is no slip."""
    counts = Counter(word for text in texts for word in WORD.findall(text.casefold()) if len(word) >= SHORTEST)
    names = [name.casefold() for name in names_of_things()]
    counts |= Counter(dict.fromkeys([*names, *(f"{name}s" for name in names)], FEWEST))
    counts.update(dict.fromkeys(PHOTOS, 0))
    return counts


def _differs_in_number(word: str, others: Collection[str]) -> bool:
    """Whether a word is the singular or the plural of one of some others, and so right, too."""
    if word.endswith("s"):
        return not word.endswith("ss") and word[:-1] in others
    return f"{word}s" in others


def _a_letter_away(word: str) -> Iterator[tuple[str, float]]:
    """What a word may be a slip of, and how likely just this slip is of that (Damerau 1964)."""
    halves, many = [(word[:at], word[at:]) for at in range(len(word) + 1)], len(word)
    for start, end in halves:
        for letter in ascii_lowercase:
            yield start + letter + end, LEFT_OUT / (many + 1)
        if end:
            for letter in ascii_lowercase:
                yield start + letter + end[1:], ANOTHER / (many * 25)
            yield start + end[1:], ADDED / (many * 26)
        if len(end) > 1:
            yield start + end[1] + end[0] + end[2:], SWAPPED / (many - 1)
