"""The wide words that a gallery's photos fall under: queries to try on it, and albums that would fit it."""

from threading import Lock

from cachetools import LRUCache

from engine.gallery import GallerySummary, Library, propose_albums

GALLERIES_KEPT = 100  # whose words stay in memory


class WideWords:
    """Those of galleries, found anew where one has another number of photos; safe to use from many threads."""

    def __init__(self, library: Library) -> None:
        self._library, self._lock = library, Lock()
        self._found: LRUCache[int, tuple[int, list[str]]] = LRUCache(GALLERIES_KEPT)  # for so many photos, by gallery

    def of(self, summary: GallerySummary) -> list[str]:
        """A gallery's, those of most photos first; the first time in a process takes a second."""
        if not self.is_known(summary):
            words = propose_albums(self._library, summary.id)
            with self._lock:
                self._found[summary.id] = summary.photos, words
        return self.known(summary)

    def is_known(self, summary: GallerySummary) -> bool:
        """Whether they were found for the photos that the gallery has now."""
        with self._lock:
            return self._found.get(summary.id, (0, []))[0] == summary.photos

    def known(self, summary: GallerySummary) -> list[str]:
        """Those that were found last, which takes no time; none where they never were."""
        with self._lock:
            return self._found.get(summary.id, (0, []))[1]
