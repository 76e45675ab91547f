"""Queries that fit a gallery: what its photos were taken for."""

from collections import Counter
from collections.abc import Iterable

from engine.gallery import Photo


def suggestions(photos: Iterable[Photo], many: int) -> list[str]:
    """The texts that fit best most often, and where that is even, best; each one is some photo's first."""
    often: Counter[str] = Counter()
    best: dict[str, float] = {}
    for photo in photos:
        looks = [phrases for phrases in photo.phrases if phrases]
        if looks:
            text, cosine = looks[-1][0]
            often[text] += 1
            best[text] = max(best.get(text, 0.0), cosine)
    return sorted(often, key=lambda text: (-often[text], -best[text], text))[:many]
