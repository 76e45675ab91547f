"""Texts in words: the bank's list, phrases that a gallery's owner looks for, and those nearest to a photo."""

from collections.abc import Sequence
from pathlib import Path

from engine.utils.errors import EngineError
from engine.utils.paths import TEXT_BANK
from engine.utils.word_lists import lines_of

MOST_LOOKED_FOR = 5_000  # phrases of an owner; each costs a text encoding once, and a product at each exit of a photo
MOST_TYPED = 50  # phrases, on the page
LONGEST_TYPED = 200  # characters of each; the model reads about thirty words

NearestTexts = tuple[tuple[str, float], ...]  # texts and phrases nearest to a photo, and their cosines, best first


class PhrasesUnusable(EngineError):
    """Phrases that cannot be read, or that are too few or too many."""


def read_texts(path: Path = TEXT_BANK) -> list[str]:
    """The texts of a file, one a line; blank lines and lines that start with # are passed over."""
    return lines_of(path.read_text(encoding="utf-8-sig"))


def typed_phrases(text: str) -> list[str]:
    """The phrases that a gallery's owner has typed, one a line, each one once; raises PhrasesUnusable."""
    phrases = _once(lines_of(text))
    if len(phrases) > MOST_TYPED:
        raise PhrasesUnusable(f"These are {len(phrases)} phrases; name {MOST_TYPED} at most, one a line.")
    if too_long := [phrase for phrase in phrases if len(phrase) > LONGEST_TYPED]:
        raise PhrasesUnusable(f'"{too_long[0][:40]}…" is over {LONGEST_TYPED} characters; say it in a few words.')
    return phrases


def phrases_of(path: Path) -> list[str]:
    """The phrases of a gallery owner's file, each one once; raises PhrasesUnusable."""
    try:
        phrases = _once(read_texts(path))
    except (OSError, UnicodeDecodeError) as error:
        raise PhrasesUnusable(f"{path} cannot be read as phrases; name a UTF-8 text file.") from error
    if not 1 <= len(phrases) <= MOST_LOOKED_FOR:
        raise PhrasesUnusable(f"{path} has {len(phrases)} phrases; name 1 to {MOST_LOOKED_FOR}, one a line.")
    return phrases


def _once(phrases: Sequence[str]) -> list[str]:
    """Each phrase once, in whatever case: two that mean the same would leave every photo of them in doubt."""
    known: dict[str, str] = {}
    for phrase in phrases:
        known.setdefault(phrase.casefold(), phrase)
    return list(known.values())
