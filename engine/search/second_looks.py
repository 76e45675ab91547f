"""What second looks have run, in memory: for galleries whose index never changes."""

from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING

from cachetools import LRUCache

if TYPE_CHECKING:
    from engine.exits.batch import Encoding
    from engine.exits.encoder import Identity

KEPT_BYTES = 64 * 1024**2
Key = tuple["Identity", str, int, int]  # of the encoder; the picture's hash; from and to which exit


class SecondLooks:
    """Encodings that second looks made, those used last; safe to use from many threads."""

    def __init__(self, most_bytes: int = KEPT_BYTES) -> None:
        self._kept: LRUCache[Key, Encoding] = LRUCache(most_bytes, getsizeof=_size)
        self._lock = Lock()

    def get(self, key: Key) -> "Encoding | None":
        """What a picture's run from one exit to another has made, where it is still there."""
        with self._lock:
            return self._kept.get(key)

    def put(self, key: Key, found: "Encoding") -> None:
        """Keep what a run has made."""
        with self._lock, suppress(ValueError):  # larger than all that is kept
            self._kept[key] = found


def _size(found: "Encoding") -> int:
    """About how many bytes an encoding takes."""
    return found.vector.nbytes + found.gates.nbytes + 1024 + (found.map.nbytes if found.map is not None else 0)
