"""One line of words and pictures, added, subtracted and weighted, to the vector that is searched for.

`2:dog + beach - people` is twice a dog and a beach, less people; `photo:12 + snow` is photo 12 with snow. What is
subtracted counts half where it has no weight: all of it takes away much of what it is like, too. A plus or minus counts
only with a blank before it, so that "t-shirt" and "black-and-white" stay words, and a number with a colon is a weight
only where no digit follows, so that "16:9" and "10:30" stay words, too.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from string import ascii_letters, digits
from threading import Lock

import numpy as np
from cachetools import LRUCache

from engine.utils.errors import EngineError

LONGEST = 500  # characters; the model reads about thirty words
MOST_TERMS = 12
HEAVIEST = 10.0
SUBTRACTED = 0.5  # weight of what is subtracted, chosen on a val set: 1 finds less, and less takes little away
TEXTS_KEPT = 64  # embeddings of the last texts asked for, some 2 kB each
DROPPED = "dropped"  # names the picture that came with the query itself

_SIGN = re.compile(r"(?:^|(?<=\s))([+\-\u2212])\s*(?=[^\s+\-\u2212])")
_WEIGHT = re.compile(r"(\d+(?:\.\d+)?)\s*:(?!\d)\s*(?=\S)")
_NOT = (
    r"(?P<no>(?:that|which|who)\s(?:(?:is|are|was|were)\snot|(?:is|are|was|were)n['’]?t)|(?:(?:with|but)\s)?no|without|"
    r"(?<!\bdo\s)(?<!\bdoes\s)(?<!\bdid\s)(?<!\bme\s)(?<!\bor\s)not(?!\s(?:only|just)\b)|"
    r"except(?:\sfor)?|excluding|other\sthan)"
)
_UNWANTED = re.compile(
    rf"(?:(?P<wanted>.*?),?\s)??(?:(?:but|and)\s)?{_NOT}\s(?P<the>(?:(?:an?|any|the|in|on)\s)*)(?P<unwanted>\w.*)",
    re.IGNORECASE,
)
# What a bare "no" stands on, or begins.
_SIGN_BEFORE = re.compile(r"\bsigns?\b", re.IGNORECASE)
_SIGN_AFTER = re.compile(r"\bsign\b|^(?:smoking|parking|entry|one|man['’]s)\b", re.IGNORECASE)
# Where what is not wanted ends, and the photo is described further.
_PLACE = r"(?:with(?!\sno\b)|on|in|at|near|by|under|behind|beside|over)\b"
_WANTED_AGAIN = re.compile(
    rf",?\s(?:(?:and|but)\s)?(?={_PLACE}\s"
    r"(?!(?:all|it|its|them|their|him|his|her|sight|view|front|(?:the\s)?(?:back|fore)ground)\b))|"
    r",?\sbut\s(?!no\b|not\b|without\b)",
    re.IGNORECASE,
)
_NOR = re.compile(rf"(?<=\sand\s){_NOT}\s(?:(?:an?|any)\s)?", re.IGNORECASE)
_PHOTO = re.compile(rf"photo:(\d{{1,18}}|{DROPPED})", re.IGNORECASE)


class QueryRejected(EngineError):
    """A query that cannot be searched for, and why."""


@dataclass(frozen=True)
class Term:
    """One summand of a query: words, or a picture by its name."""

    weight: float  # below 0 where it is subtracted
    words: str = ""
    photo: str = ""  # a photo's number, or DROPPED


@dataclass(frozen=True, eq=False)
class Query:
    """What is searched for, as photos are embedded."""

    vector: np.ndarray  # (D,) float32, unit length
    picture: bool = False  # it is of pictures alone: words' ways of scoring photos do not count
    words_only: bool = False  # it is of words alone, and no sum: its scores tell how well photos fit
    photos: frozenset[int] = frozenset()  # ids of those that it asks with


class TextEmbeddings:
    """The last texts that were asked for, and their embeddings; safe to use from many threads.

    A query is embedded to be ranked by, and then again for more of its ranking, to explain a photo and to compare.
    """

    def __init__(self, kept: int = TEXTS_KEPT) -> None:
        self._kept: LRUCache[tuple[str, str], np.ndarray] = LRUCache(kept)
        self._lock = Lock()

    def embeddings(
        self, weights: str, encode_text: Callable[[Sequence[str]], np.ndarray], texts: Sequence[str]
    ) -> np.ndarray:
        """(N, D) What `encode_text` gives; it is called for those texts alone that are not kept.

        Args: weights: the hash of the model that encodes them.
        """
        with self._lock:
            found = {text: self._kept[weights, text] for text in texts if (weights, text) in self._kept}
        fresh = [text for text in dict.fromkeys(texts) if text not in found]
        if fresh:  # without the lock: nobody waits for another one's query
            found |= zip(fresh, map(np.copy, encode_text(fresh)), strict=True)  # a row would keep all of them
        with self._lock:
            for text, vector in found.items():
                self._kept[weights, text] = vector
        return np.stack([found[text] for text in texts]) if texts else encode_text(texts)


def parse(text: str) -> tuple[Term, ...]:
    """The terms of a query; none for a blank one. Raises: QueryRejected."""
    text = text.strip()
    if len(text) > LONGEST:
        raise QueryRejected(f"A query may have {LONGEST} characters, and this one has {len(text)}; shorten it.")
    # Splitting by a pattern with a group gives: words, sign, words, sign, words ...
    first, *rest = _SIGN.split(text)
    terms = [_term(first, "+")] if first.strip() else []
    terms += [_term(words, sign) for sign, words in zip(rest[::2], rest[1::2], strict=True)]
    if len(terms) > MOST_TERMS:
        raise QueryRejected(f"A query may have {MOST_TERMS} terms, and this one has {len(terms)}; leave some out.")
    return tuple(terms)


def is_english(words: str) -> bool:
    """Whether there is anything in words that the text tower can know: it reads no other script than ours."""
    return any(sign in ascii_letters + digits for sign in words)


def subtract_unwanted(text: str) -> str:
    """Words that say what is not wanted, as the sum that takes it away; CLIP overlooks a "not" (arXiv 2501.09425).

    Raises: QueryRejected.
    """
    if len(parse(text)) > 1 or _SIGN.match(text.strip()):
        return text
    line = re.sub(r" ?,[ ,]*", ", ", " ".join(text.split()))
    found = _UNWANTED.fullmatch(line)
    if found is None:
        return text
    no, before, after = found["no"].casefold(), found["wanted"], found["unwanted"]
    if no == "no" and (_SIGN_BEFORE.search(before or "") or _SIGN_AFTER.search(after)):
        return text
    denied = no.endswith(("not", "n't", "n’t", "nt")) and not found["the"]
    doing = denied and after.split()[0].endswith("ing")  # "not looking at the camera" is one thing
    unwanted, *wanted = [after] if doing else _WANTED_AGAIN.split(after, maxsplit=1)
    instead = not before and any(not re.match(_PLACE, words, re.IGNORECASE) for words in wanted)  # "not X but Y"
    first = [] if instead else [before or "a photo"]
    return f"{' '.join([*first, *wanted])} - {_NOR.sub('', unwanted)}"


def embed(
    terms: Sequence[Term], encode_text: Callable[[Sequence[str]], np.ndarray], photo: Callable[[str], np.ndarray]
) -> Query:
    """What terms add up to.

    Args:
        encode_text: texts to (N, D), unit length; called once, with all the words.
        photo: the (D,) unit vector of a picture by its name.
    Raises: QueryRejected where nothing is left of it, and what `photo` raises.
    """
    words = [term.words for term in terms if term.words]
    texts = iter(encode_text(words) if words else ())
    vectors = [next(texts) if term.words else photo(term.photo) for term in terms]
    pictures = not words
    photos = frozenset(int(term.photo) for term in terms if term.photo.isdecimal() and term.weight > 0)
    if len(terms) == 1 and terms[0].weight > 0:
        return Query(vectors[0].astype(np.float32), pictures, words_only=not pictures, photos=photos)
    total = sum((term.weight * vector for term, vector in zip(terms, vectors, strict=True)), np.zeros(1))
    length = float(np.linalg.norm(total))
    if length < 1e-4:
        raise QueryRejected("The terms of this query cancel each other out; leave one of them out.")
    return Query((total / length).astype(np.float32), pictures, photos=photos)


def _term(text: str, sign: str) -> Term:
    text, adds = text.strip(), sign == "+"
    weight = 1.0 if adds else SUBTRACTED
    if found := _WEIGHT.match(text):
        weight, text = float(found[1]), text[found.end() :]
        if not 0 < weight <= HEAVIEST:
            raise QueryRejected(f"A weight is a number above 0 and up to {HEAVIEST:.0f}, and this one is {found[1]}.")
    weight = weight if adds else -weight
    if found := _PHOTO.fullmatch(text):
        return Term(weight, photo=found[1].lower())
    return Term(weight, words=text)
