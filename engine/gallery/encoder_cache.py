"""The encoder as each collection wants it: loaded once, guided by the texts that the collection remembers."""

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

from cachetools import LRUCache

from engine.gallery.types import GuideTexts
from engine.storage.schema import CollectionRow, stamp_of

if TYPE_CHECKING:
    from engine.exits.photo_encoder import PhotoEncoder

GUIDED_KEPT = 16  # lists of guide texts whose embeddings stay in memory


class Encoders:
    """The encoder and its guided variants, which share its weights; safe to use from many threads."""

    def __init__(self, load: "Callable[[], PhotoEncoder]") -> None:
        self._load = load
        self._general: PhotoEncoder | None = None
        self._guided: LRUCache[GuideTexts, PhotoEncoder] = LRUCache(GUIDED_KEPT)
        self._lock, self._guiding = Lock(), Lock()  # two, so that nobody waits for another gallery's guide texts

    @property
    def general(self) -> "PhotoEncoder":
        """The encoder with the general guide texts, loaded at the first call."""
        with self._lock:
            if self._general is None:
                self._general = self._load()
            return self._general

    def replace(self, encoder: "PhotoEncoder") -> None:
        """Go on with another encoder from now on."""
        with self._lock, self._guiding:
            self._general = encoder
            self._guided.clear()

    def by(self, guides: GuideTexts | None) -> "PhotoEncoder":
        """The encoder with an owner's guide texts; their embeddings are computed once."""
        encoder = self.general
        if guides is None or not guides.phrases:
            return encoder
        with self._guiding:
            if guides not in self._guided:
                texts = dict.fromkeys([*(() if guides.only else encoder.guide_texts), *guides.phrases])
                self._guided[guides] = encoder.guided_by(tuple(texts), guides.phrases)
            return self._guided[guides]

    def of(self, collection: CollectionRow) -> "PhotoEncoder":
        """A collection's encoder; raises ModelChanged where its photos were encoded with another one."""
        encoder = self.by(guides_of(collection))
        collection.require(stamp_of(encoder))
        return encoder


def guides_of(collection: CollectionRow) -> GuideTexts | None:
    """The guide texts that a collection remembers; None: the general ones."""
    if collection.guide_texts is None:
        return None
    return GuideTexts(tuple(collection.guide_texts), collection.guides_only)
