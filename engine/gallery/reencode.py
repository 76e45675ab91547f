"""Photos encoded again from their kept pictures, batch by batch, one decoded ahead of the encoder."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.exits.budget import BUDGET_GRID, DEFAULT_BUDGET, nearest_budget
from engine.gallery.encoder_cache import remembered_phrases
from engine.gallery.library import Library
from engine.gallery.types import IngestReport, Progress, photo_of
from engine.ingest.decode import BATCH, Skipped
from engine.ingest.kept_picture import kept_pixels
from engine.storage.collections import restamp
from engine.storage.encodings import images_to_encode, replace_encodings
from engine.storage.images import content_hashes, image_names
from engine.storage.schema import EncodingRow, stamp_of
from engine.utils.errors import EngineError
from engine.utils.prefetch import prefetched

if TYPE_CHECKING:
    from torch import Tensor

    from engine.exits.photo_encoder import PhotoEncoder


class PicturesGone(EngineError):
    """A gallery of which no kept picture is left."""


def reencode_gallery(
    library: Library,
    gallery_id: int,
    budget: float | None = None,
    on_progress: Callable[[Progress], object] | None = None,
    phrases: Sequence[str] | None = None,
) -> IngestReport:
    """Encode a gallery's photos again from their kept pictures: for another budget, model or phrases.

    A finished batch stays whatever happens later, and the same call goes on after a stop. Photos of another model
    are not found until their turn has come.

    Args:
        budget: mean MACs share to aim at; by default the gallery's last one.
        on_progress: told after every batch; what it raises stops the run.
        phrases: what people will look for from now on; by default those that it remembers.
    Returns: photos encoded again as `added`, those that needed nothing as `duplicates`.
    Raises: GalleryMissing, ModelChanged where another program encodes with another model meanwhile, PicturesGone.
    """
    collection = library.collection(gallery_id)
    wished = remembered_phrases(collection) if phrases is None else tuple(phrases)
    encoder = library.encoders.by(wished)
    if not collection.has_model(stamp_of(encoder)):
        _require_pictures(library, gallery_id, encoder)  # what the photos have now goes
    wanted = budget if budget is not None else collection.budget
    aim = BUDGET_GRID[nearest_budget(DEFAULT_BUDGET if wanted is None else wanted)]
    restamp(library.database, gallery_id, stamp_of(encoder), wished)
    return _encode_again(library, encoder, gallery_id, aim, on_progress)


def _require_pictures(library: Library, gallery_id: int, encoder: "PhotoEncoder") -> None:
    """Raise PicturesGone where no photo of a gallery can be encoded again: a search would find nothing any more."""
    hashes = content_hashes(library.database, gallery_id)
    if hashes and all(kept_pixels(library.picture_path(each), encoder.preprocess) is None for each in hashes):
        raise PicturesGone(
            "None of this gallery’s kept pictures is left, so its photos cannot be encoded again and stay as they are; "
            "add the files to a new gallery."
        )


def _encode_again(
    library: Library,
    encoder: "PhotoEncoder",
    gallery_id: int,
    budget: float,
    on_progress: Callable[[Progress], object] | None,
) -> IngestReport:
    """Encode those photos of a gallery that have no encoding for a budget of the grid."""
    start = time.perf_counter()
    images = images_to_encode(library.database, gallery_id, budget)
    totals = library.totals.of(gallery_id)
    skipped: list[Skipped] = []
    done = macs = 0
    for ids, pixels, gone in kept_batches(images, library.picture_path, encoder):
        encodings = dict(zip(ids, encoder.encode(pixels, budget) if pixels is not None else [], strict=True))
        rows = replace_encodings(
            library.database,
            gallery_id,
            stamp_of(encoder),
            {image_id: EncodingRow.of(encoding) for image_id, encoding in encodings.items()},
            {image_id: e.map.pack() for image_id, e in encodings.items() if e.map is not None},
        )
        left_out = tuple(
            Skipped(name, "its kept picture is gone or damaged; delete the photo and add it again")
            for name in image_names(library.database, gone)
        )
        skipped += left_out
        done += len(ids) + len(gone)
        macs += sum(encoding.macs for encoding in encodings.values())
        if on_progress is not None:
            on_progress(Progress(done, len(images), tuple(map(photo_of, rows)), left_out))
    seconds = time.perf_counter() - start
    added = done - len(skipped)
    return IngestReport(
        added=added,
        duplicates=totals.photos + totals.waiting - len(images),
        skipped=tuple(skipped),
        seconds=seconds,
        images_per_second=added / seconds,
        mean_macs_share=macs / (added * encoder.full_macs) if added else 0.0,
    )


def kept_batches(
    images: Sequence[tuple[int, str]], picture_path: Callable[[str], Path], encoder: "PhotoEncoder"
) -> "Iterator[tuple[list[int], np.ndarray | Tensor | None, list[int]]]":
    """Pictures of images in batches of `BATCH`.

    Args: images: (id, content hash) of each.
    Yields: ids, their pixels as the encoder takes them, and the ids of those whose picture is gone.
    """

    def decode(start: int) -> "tuple[list[int], np.ndarray | Tensor | None, list[int]]":
        batch = images[start : start + BATCH]
        pictures = [(i, kept_pixels(picture_path(content_hash), encoder.preprocess)) for i, content_hash in batch]
        there = {i: pixels for i, pixels in pictures if pixels is not None}
        gone = [i for i, pixels in pictures if pixels is None]
        return list(there), encoder.send(list(there.values())) if there else None, gone

    return prefetched(decode, range(0, len(images), BATCH))
