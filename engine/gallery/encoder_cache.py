"""The encoder as each collection wants it: loaded once, looking for the phrases that the collection remembers."""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import TYPE_CHECKING

from cachetools import LRUCache

from engine.storage.schema import CollectionRow, stamp_of
from engine.utils.memory import without_garbage_collection

if TYPE_CHECKING:
    from engine.exits.encoder import Encoder, Identity

ENCODERS_KEPT = 16  # lists of phrases whose embeddings stay in memory


class Encoders:
    """The encoder and its variants that look for phrases, which share its weights; safe to use from many threads."""

    def __init__(self, load: "Callable[[], Encoder]") -> None:
        self._load = load
        self._general: Encoder | None = None
        self._looking: LRUCache[tuple[Identity, tuple[str, ...]], Encoder] = LRUCache(ENCODERS_KEPT)
        self._lock, self._embedding = Lock(), Lock()  # two, so that nobody waits for another gallery's phrases

    @property
    def general(self) -> "Encoder":
        """The encoder without phrases, loaded at the first call."""
        with self._lock:
            if self._general is None:
                with without_garbage_collection():
                    self._general = self._load()
            return self._general

    def replace(self, encoder: "Encoder") -> None:
        """Go on with another encoder from now on."""
        with self._lock:
            self._general = encoder

    def by(self, phrases: tuple[str, ...]) -> "Encoder":
        """The encoder that looks for an owner's phrases; their embeddings are computed once."""
        encoder = self.general
        if not phrases:
            return encoder
        of = encoder.identity, phrases  # another one may have taken its place meanwhile
        with self._embedding:
            if of not in self._looking:
                for other in [known for known in self._looking if known[0] != encoder.identity]:
                    del self._looking[other]
                self._looking[of] = encoder.looking_for(phrases)
            return self._looking[of]

    def of(self, collection: CollectionRow) -> "Encoder":
        """A collection's encoder; raises ModelChanged where its photos were encoded with another one."""
        encoder = self.by(remembered_phrases(collection))
        collection.require(stamp_of(encoder))
        return encoder


def several(phrases: Sequence[str]) -> tuple[str, ...]:
    """Phrases as a gallery remembers them; raises TypeError for a single text, which is a sequence of letters."""
    if isinstance(phrases, str):
        raise TypeError("phrases are several texts: [phrase] for one")
    return tuple(phrases)


def remembered_phrases(collection: CollectionRow) -> tuple[str, ...]:
    """What people will look for in a collection, as its owner has said; none where nobody has."""
    return tuple(collection.phrases or ())
