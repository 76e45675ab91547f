"""A gallery's photos read again, ready for the encoder: their kept pictures, and where they stand."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from engine.gallery.library import Library
from engine.ingest.decode import BATCH
from engine.ingest.kept_picture import kept_pixels
from engine.search.refine import before_any_run, kept_map, standing_alike
from engine.storage.encodings import list_candidates
from engine.storage.images import hashes_of
from engine.utils.prefetch import prefetched

if TYPE_CHECKING:
    from torch import Tensor

    from engine.exits.encoder import Encoder, Standing


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


def _read(library: Library, encoder: "Encoder", images: Sequence[int], start: int) -> KeptPhotos:
    batch = images[start : start + BATCH]
    stand = {candidate.image_id: candidate for candidate in list_candidates(library.database, batch)}
    pixels: dict[int, np.ndarray] = {}
    gone, finished = [], []
    for image_id, content_hash in hashes_of(library.database, batch).items():
        if image_id in stand and stand[image_id].exit == encoder.exits:
            finished.append(image_id)
        elif (found := kept_pixels(library.picture_path(content_hash), encoder.preprocess)) is None:
            gone.append(image_id)
        else:
            pixels[image_id] = found
    new, maps = [image_id for image_id in pixels if image_id not in stand], library.database.maps
    going = {i: before_any_run(stand[i], kept_map(encoder, maps, stand[i])) for i in pixels if i in stand}
    groups = [Group(new, encoder.send([pixels[i] for i in new]), None, encoded=False)] if new else []
    for ids, standing in standing_alike(encoder, going):
        groups.append(Group(ids, encoder.send([pixels[i] for i in ids]), standing, encoded=True))
    return KeptPhotos(groups, gone, finished)
