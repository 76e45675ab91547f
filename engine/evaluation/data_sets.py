"""Data sets that cannot be measured as they are, refused in a sentence."""

from collections.abc import Iterable

from engine.ingest.image import ImageRejected
from engine.training.dataset import DataMissing
from engine.utils.errors import EngineError


def require_different_names(names: Iterable[str]) -> None:
    """Raise EngineError where two sets would have one name in the results."""
    known = set[str]()
    for name in names:
        if name in known:
            raise EngineError(f"Two of the sets are called {name!r}; rename a folder, or measure them one at a time.")
        known.add(name)


def unreadable(photo: ImageRejected) -> DataMissing:
    """The error of a photo that cannot be left out, as what is true of it counts."""
    return DataMissing(f"{photo.name} cannot be read ({photo.reason}); mend it, or take its row out of captions.jsonl.")
