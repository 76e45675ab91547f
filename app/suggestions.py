"""Texts that fit a gallery: queries to try, which are what its photos were taken for, and how such texts are kept."""

from collections import Counter
from collections.abc import Callable, Iterable
from threading import Lock

from cachetools import LRUCache

from app.demo import Demo
from engine.gallery import GallerySummary, Library, Photo, list_photos

MANY = 7  # queries to try
LOOKED_AT = 100  # photos
GALLERIES_KEPT = 100  # whose texts stay in memory


class TextsOfGalleries:
    """Texts found for galleries, anew where a gallery has another number of photos; safe to use from many threads."""

    def __init__(self, find: Callable[[GallerySummary], list[str]]) -> None:
        self._find, self._lock = find, Lock()
        self._found: LRUCache[int, tuple[int, list[str]]] = LRUCache(GALLERIES_KEPT)  # for so many photos, by gallery

    def of(self, summary: GallerySummary) -> list[str]:
        """A gallery's."""
        with self._lock:
            known, texts = self._found.get(summary.id, (0, []))
        if known != summary.photos:
            texts = self._find(summary)
            with self._lock:
                self._found[summary.id] = summary.photos, texts
        return texts


class Suggestions:
    """Queries to try on galleries: the demo's own, else those that fit its photos."""

    def __init__(self, library: Library, demo: Demo) -> None:
        self._demo = demo
        self._fitting = TextsOfGalleries(
            lambda summary: suggestions(list_photos(library, summary.id, limit=LOOKED_AT), MANY)
        )

    def of(self, summary: GallerySummary) -> list[str]:
        """A gallery's, best first."""
        return self._demo.queries[:MANY] if summary.kind == "demo" else self._fitting.of(summary)


def suggestions(photos: Iterable[Photo], many: int) -> list[str]:
    """The texts that fit best most often, and where that is even, best; each one is some photo's first."""
    often: Counter[str] = Counter()
    best: dict[str, float] = {}
    for photo in photos:
        looks = [nearest for nearest in photo.nearest_texts if nearest]
        if looks:
            text, cosine = looks[-1][0]
            often[text] += 1
            best[text] = max(best.get(text, 0.0), cosine)
    return sorted(often, key=lambda text: (-often[text], -best[text], text))[:many]
