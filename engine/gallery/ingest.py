"""Photos taken into a gallery: decoded, encoded as far as each needs, and kept batch by batch."""

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from engine.exits.budget import BUDGET_GRID
from engine.gallery.encoder_cache import remembered_phrases, several
from engine.gallery.galleries import list_photos
from engine.gallery.library import Library
from engine.gallery.types import IngestReport, Progress, photo_of
from engine.ingest.decode import Duplicate, Skipped
from engine.ingest.pipeline import Encoded, EncodeFiles, Known, encode_here
from engine.ingest.upload import Upload
from engine.storage.collections import mark_indexed, restamp
from engine.storage.images import add_images, content_hashes, held_hashes, move_sources
from engine.storage.schema import CollectionRow, EncodingRow, ImageRow, stamp_of
from engine.utils.errors import EngineError

if TYPE_CHECKING:
    from engine.exits.encoder import Encoder


def ingest_files(
    library: Library,
    gallery_id: int,
    uploads: Iterable[Upload],
    budget: float | None = None,
    on_progress: Callable[[Progress], object] | None = None,
    phrases: Sequence[str] | None = None,
    encode: EncodeFiles = encode_here,
) -> IngestReport:
    """Take files into a gallery, batch by batch; a finished batch stays whatever happens later.

    Args:
        budget: mean MACs share to aim at, on BUDGET_GRID; by default the gallery's last one, or else the encoder's own.
        on_progress: told after every batch; what it raises stops the ingest.
        phrases: what people will look for, which it remembers; by default those that it remembers already.
        encode: where they are decoded and encoded; by default in this process.
    Raises: GalleryMissing, ModelChanged, StoreUnusable; EngineError where the gallery's photos were encoded with other
        phrases, or the budget is no share. A bad file is a line in the report instead.
    """
    if budget is not None and not BUDGET_GRID[0] <= budget <= BUDGET_GRID[-1]:
        raise EngineError(f"A budget is a share from {BUDGET_GRID[0]} to {BUDGET_GRID[-1]}, and this one is {budget}.")
    collection = _looking_for(library, gallery_id, phrases)
    encoder = library.encoders.of(collection)
    mark_indexed(library.database, gallery_id)
    aim = budget if budget is not None else collection.budget

    start = time.perf_counter()
    files = list(uploads)
    done = added = macs = 0
    skipped: list[Skipped] = []
    stored = library.database, gallery_id
    known = Known(lambda each: bool(held_hashes(*stored, [each])), partial(content_hashes, *stored))
    for batch in encode(files, known, encoder, aim):
        rows = _keep(library, gallery_id, encoder, [made for made in batch if isinstance(made, Encoded)])
        _follow(library, gallery_id, [made for made in batch if isinstance(made, Duplicate)])
        done += len(batch)
        added += len(rows)
        macs += sum(row.encoding.macs_index for row in rows)
        left_out = tuple(outcome for outcome in batch if isinstance(outcome, Skipped))
        skipped += left_out
        if on_progress is not None:
            on_progress(Progress(done, len(files), tuple(map(photo_of, rows)), left_out))
    return IngestReport.of(
        added, done - added - len(skipped), skipped, time.perf_counter() - start, macs, encoder.full_macs
    )


def fit_exits(library: Library, gallery_id: int, on_progress: Callable[[str, int, int], object] | None = None) -> None:
    """Fit exits to the present encoder, which has none, on a gallery's kept pictures.

    Photos of every gallery are then of another model than before; `reencode_gallery` takes one along.

    Args: on_progress: told what is being done, and how many of how many steps are; what it raises stops the fit,
        and the next one goes on from there.
    Raises: GalleryMissing, TooFewPhotos.
    """
    from engine.training.fit import fit_photos  # what trains is loaded where somebody trains

    many = library.totals.of(library.collection(gallery_id)).photos
    pictures = [library.picture_path(photo.content_hash) for photo in list_photos(library, gallery_id, limit=many)]
    library.encoders.replace(fit_photos(library.encoder, pictures, on_progress))


def _looking_for(library: Library, gallery_id: int, phrases: Sequence[str] | None) -> CollectionRow:
    """A gallery that remembers these phrases from now on; raises GalleryMissing, or EngineError where it has others."""
    collection = library.collection(gallery_id)
    if phrases is None or several(phrases) == remembered_phrases(collection):
        return collection
    if collection.model is not None:
        raise EngineError(
            f'The photos in gallery "{collection.name}" were encoded with other phrases; encode them again with these '
            "(reencode), or name a new gallery."
        )
    restamp(library.database, gallery_id, stamp_of(library.encoder), phrases)
    return library.collection(gallery_id)


def _keep(library: Library, gallery_id: int, encoder: "Encoder", made: Sequence[Encoded]) -> list[ImageRow]:
    """Store a batch in one transaction; returns the rows that are new."""
    found = {each.photo.content_hash: each for each in made}  # a photo may come twice where many encode at once
    if not found:
        return []
    made_by = stamp_of(encoder).key  # which is not the gallery's where it looks for others by now
    rows = [
        ImageRow(
            content_hash=content_hash,
            name=each.photo.name,
            width=each.photo.width,
            height=each.photo.height,
            bytes=each.photo.file_bytes,
            added_at=time.time(),
            taken_at=each.photo.taken_at.isoformat() if each.photo.taken_at else None,
            source=each.photo.source,
            encoding=EncodingRow.of(each.encoding, made_by),
        )
        for content_hash, each in found.items()
    ]
    pictures = {content_hash: each.photo.jpeg for content_hash, each in found.items()}
    maps = {content_hash: each.map for content_hash, each in found.items() if each.map is not None}
    return add_images(library.database, gallery_id, library.stamp_for(gallery_id, encoder), rows, pictures, maps)


def _follow(library: Library, gallery_id: int, again: Sequence[Duplicate]) -> None:
    """Remember where originals lie now, and are called, that have been moved since they were indexed."""
    found = {each.content_hash: (each.name, each.source) for each in again if each.source is not None}
    if found:
        move_sources(library.database, gallery_id, found)
