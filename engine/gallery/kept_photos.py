"""A gallery's photos read again, ready for the encoder: their kept pictures, and where they stand."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from engine.gallery.library import Library
from engine.ingest.decode import BATCH
from engine.ingest.kept_picture import kept_pixels
from engine.search.refine import kept_map
from engine.storage.encodings import Candidate, list_candidates
from engine.storage.images import hashes_of
from engine.utils.prefetch import prefetched

if TYPE_CHECKING:
    from torch import Tensor

    from engine.exits.encoder import Encoder, Standing
    from engine.exits.feature_map import FeatureMap


@dataclass(frozen=True)
class Group:
    """Photos that stand alike."""

    ids: list[int]
    pixels: "np.ndarray | Tensor"
    standing: "Standing | None"  # None: they are run from their pictures
    encoded: bool  # they have an encoding already


@dataclass(frozen=True)
class KeptPhotos:
    """Photos that are read together."""

    groups: list[Group]
    gone: list[int]  # those whose picture is gone or damaged
    finished: list[int]  # those at full depth, where a search has run them meanwhile


def kept_photos(library: Library, encoder: "Encoder", images: Sequence[int]) -> Iterator[KeptPhotos]:
    """Photos by their ids, `BATCH` at a time, one batch ahead."""
    return prefetched(partial(_read, library, encoder, images), range(0, len(images), BATCH))


@dataclass(frozen=True)
class _Photo:
    """One photo, and what it goes on from."""

    id: int
    pixels: np.ndarray
    vector: np.ndarray | None
    map: "FeatureMap | None"


def _read(library: Library, encoder: "Encoder", images: Sequence[int], start: int) -> KeptPhotos:
    batch = images[start : start + BATCH]
    stand = {candidate.image_id: candidate for candidate in list_candidates(library.database, batch)}
    alike: dict[tuple[bool, int, bool], list[_Photo]] = {}
    gone, finished = [], []
    for image_id, content_hash in hashes_of(library.database, batch).items():
        if image_id in stand and stand[image_id].exit == encoder.exits:
            finished.append(image_id)
            continue
        pixels = kept_pixels(library.picture_path(content_hash), encoder.preprocess)
        if pixels is None:
            gone.append(image_id)
            continue
        exit, vector, kept = _goes_on(library, encoder, stand.get(image_id))
        key = image_id in stand, exit, kept is not None
        alike.setdefault(key, []).append(_Photo(image_id, pixels, vector, kept))
    groups = [_group(encoder, photos, exit, encoded) for (encoded, exit, _), photos in alike.items()]
    return KeptPhotos(groups, gone, finished)


def _goes_on(
    library: Library, encoder: "Encoder", candidate: Candidate | None
) -> "tuple[int, np.ndarray | None, FeatureMap | None]":
    """The exit (1-based) that a photo goes on from, its embedding there and its map; 0 for its picture."""
    if candidate is None:
        return 0, None, None
    kept = kept_map(encoder, library.database.maps, candidate)
    if not encoder.ladder.goes_on(candidate.exit, kept is not None):
        return 0, None, None
    return candidate.exit, np.frombuffer(candidate.vector, np.float32), kept


def _group(encoder: "Encoder", photos: Sequence[_Photo], exit: int, encoded: bool) -> Group:
    from engine.exits.encoder import Standing

    standing = None
    if exit:
        vectors = np.stack([photo.vector for photo in photos if photo.vector is not None])
        maps = [photo.map for photo in photos if photo.map is not None]
        standing = Standing(exit, vectors, maps or None)
    pixels = encoder.send([photo.pixels for photo in photos])
    return Group([photo.id for photo in photos], pixels, standing, encoded)
