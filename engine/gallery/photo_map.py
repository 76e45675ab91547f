"""A map of a gallery: photos that show alike things lie near each other."""

from dataclasses import dataclass

import numpy as np

from engine.gallery.library import Library
from engine.gallery.types import Photo, photo_of
from engine.storage.images import get_images, image_ids

MOST = 2000  # photos on a map; of more, every so manieth


@dataclass(frozen=True)
class Place:
    """Where a photo lies: from 0 to 1 in both directions, and some photo lies at each edge."""

    photo: Photo
    x: float
    y: float


def map_gallery(library: Library, gallery_id: int) -> list[Place]:
    """The places of a gallery's photos, MOST of them at most, spread evenly over the order in which they came."""
    ids = image_ids(library.database, gallery_id)
    rows = get_images(library.database, ids[:: -(-len(ids) // MOST) or 1])
    if not rows:
        return []
    places = flattened(np.stack([np.frombuffer(row.encoding.vector, np.float32) for row in rows]))
    return [Place(photo_of(row), x, y) for row, (x, y) in zip(rows, places.tolist(), strict=True)]


def flattened(vectors: np.ndarray) -> np.ndarray:
    """Vectors along the two directions in which they differ most (PCA).

    Args: vectors: (N, D).
    Returns: (N, 2), each direction from 0 to 1; the same for the same vectors.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)  # in rising order
    widest = directions[:, [-1, -2]] if vectors.shape[1] > 1 else np.hstack([directions, np.zeros_like(directions)])
    widest *= np.where(widest.sum(axis=0) < 0, -1, 1)  # a direction has no sign of its own
    places = centred @ widest
    places -= places.min(axis=0)
    return places / np.maximum(places.max(axis=0), 1e-9)
