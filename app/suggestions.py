"""Queries that fit a gallery: what its photos were taken for."""

from collections import Counter
from collections.abc import Iterable

from app.demo import Demo
from engine.gallery import GallerySummary, Library, Photo, list_photos

MANY = 7  # queries to try
LOOKED_AT = 100  # photos


class Suggestions:
    """Queries to try on galleries: the demo's own, else those that fit its photos, found anew where these change."""

    def __init__(self, library: Library, demo: Demo) -> None:
        self._library, self._demo = library, demo
        self._found: dict[int, tuple[int, list[str]]] = {}  # gallery -> photos it had, and queries that fitted

    def of(self, summary: GallerySummary) -> list[str]:
        """A gallery's, best first."""
        if summary.kind == "demo":
            return self._demo.queries[:MANY]
        known, found = self._found.get(summary.id, (0, []))
        if known != summary.photos:
            found = suggestions(list_photos(self._library, summary.id, limit=LOOKED_AT), MANY)
            self._found[summary.id] = summary.photos, found
        return found


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
