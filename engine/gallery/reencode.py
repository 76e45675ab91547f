"""Photos brought to another budget, model or list of phrases from what is kept of them, batch by batch.

For another budget alone only passes that a photo has not run are run; all else is kept. Another model
sees every photo anew, and other phrases those that did not leave by them.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from engine.exits.budget import BUDGET_GRID, DEFAULT_BUDGET, nearest_budget
from engine.gallery.budget_cost import settled
from engine.gallery.encoder_cache import remembered_phrases, several
from engine.gallery.library import Library
from engine.gallery.types import IngestReport, Progress, photo_of
from engine.ingest.decode import BATCH, Skipped
from engine.ingest.kept_picture import kept_pixels
from engine.search.refine import before_any_run, kept_map, standing_alike
from engine.storage.collections import look_for, restamp
from engine.storage.encodings import (
    images_of_other_phrases,
    images_without_encoding,
    keep_for_budget,
    list_candidates,
    replace_encodings,
)
from engine.storage.images import get_images, hashes_of, image_ids, image_names
from engine.storage.schema import ImageRow, stamp_of
from engine.utils.errors import EngineError
from engine.utils.prefetch import prefetched

if TYPE_CHECKING:
    from torch import Tensor

    from engine.exits.batch import Encoding
    from engine.exits.encoder import Encoder, Standing


@dataclass(frozen=True)
class Group:
    """Photos that stand alike."""

    ids: list[int]
    pixels: "np.ndarray | Tensor"
    standing: "Standing | None"  # None: they are run from their pictures
    encoded: bool  # they have an encoding already, which stays as far as it goes


@dataclass(frozen=True)
class KeptPhotos:
    """Photos that are read together."""

    groups: list[Group]
    gone: list[int]  # those whose picture is gone or damaged
    finished: list[int]  # those at full depth, where a search has run them meanwhile


def reencode_gallery(
    library: Library,
    gallery_id: int,
    budget: float | None = None,
    on_progress: Callable[[Progress], object] | None = None,
    phrases: Sequence[str] | None = None,
) -> IngestReport:
    """Encode a gallery's photos again from what is kept of them: for another budget, model or phrases.

    For another budget alone, photos that would have gone as deep stay as they are, and the others go on from where
    they stand: what ran is not run again. A finished batch stays whatever happens later, and the same call goes on
    after a stop. Photos of another model are not found until their turn has come; those that left by other phrases are.

    Args:
        budget: mean MACs share to aim at; by default the gallery's last one.
        on_progress: told after every batch; what it raises stops the run.
        phrases: what people will look for from now on; by default those that it remembers.
    Returns: photos that were run as `added`, those that needed nothing as `duplicates`.
    Raises: GalleryMissing; ModelChanged where another program encodes with another model meanwhile; EngineError where
        no kept picture is left.
    """
    collection = library.collection(gallery_id)
    remembered = remembered_phrases(collection)
    wished = remembered if phrases is None else several(phrases)
    encoder = library.encoders.by(wished)
    stamp = stamp_of(encoder)
    if not collection.has_model(stamp):
        _require_pictures(library, gallery_id, encoder)  # every photo is to be seen anew
    wanted = budget if budget is not None else collection.budget
    aim = BUDGET_GRID[nearest_budget(DEFAULT_BUDGET if wanted is None else wanted)]
    if collection.has_model(stamp_of(library.encoders.by(remembered))):
        look_for(library.database, gallery_id, stamp, wished)
    else:
        restamp(library.database, gallery_id, stamp, wished)
    return _encode_again(library, encoder, gallery_id, aim, on_progress)


def _require_pictures(library: Library, gallery_id: int, encoder: "Encoder") -> None:
    """Raise EngineError where no photo of a gallery can be encoded again."""
    stored = library.database, gallery_id
    hashes = hashes_of(library.database, [*image_ids(*stored), *images_without_encoding(*stored)]).values()
    if hashes and all(kept_pixels(library.picture_path(each), encoder.preprocess) is None for each in hashes):
        raise EngineError(
            "None of this gallery’s kept pictures is left, so its photos cannot be encoded again and stay as they are; "
            "add the files to a new gallery."
        )


def _encode_again(
    library: Library,
    encoder: "Encoder",
    gallery_id: int,
    budget: float,
    on_progress: Callable[[Progress], object] | None,
) -> IngestReport:
    """Bring all photos of a gallery to a budget of the grid."""
    start = time.perf_counter()
    waiting = images_without_encoding(library.database, gallery_id)
    anew = [*waiting, *images_of_other_phrases(library.database, gallery_id, stamp_of(encoder))]
    images = [*anew, *_settle(library, encoder, gallery_id, budget)]
    totals = library.totals.of(library.collection(gallery_id))
    skipped: list[Skipped] = []
    added = finished = macs = 0
    read = partial(_read, library, encoder, images, frozenset(anew))
    for batch in prefetched(read, range(0, len(images), BATCH)):
        found = [(group, encoder.encode(group.pixels, budget, group.standing)) for group in batch.groups]
        rows = [row for group, encodings in found for row in _keep(library, encoder, gallery_id, group, encodings)]
        if batch.finished:
            keep_for_budget(library.database, gallery_id, stamp_of(encoder), budget, batch.finished, {})
        left_out = _left_out(library, batch.gone, frozenset(waiting))
        skipped += left_out
        added += sum(len(group.ids) for group in batch.groups)
        finished += len(batch.finished)
        macs += sum(encoding.macs for _, encodings in found for encoding in encodings)
        if on_progress is not None:
            done = added + finished + len(skipped)
            on_progress(Progress(done, len(images), tuple(map(photo_of, rows)), left_out))
    needless = totals.photos + totals.waiting - len(images) + finished
    return IngestReport.of(added, needless, skipped, time.perf_counter() - start, macs, encoder.full_macs)


def _read(library: Library, encoder: "Encoder", images: Sequence[int], anew: frozenset[int], start: int) -> KeptPhotos:
    """A batch of photos. Args: anew: those that are run from their pictures, wherever they stand."""
    batch = images[start : start + BATCH]
    kept = [image_id for image_id in batch if image_id not in anew]
    stand = {candidate.image_id: candidate for candidate in list_candidates(library.database, kept)}
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


def _left_out(library: Library, gone: Sequence[int], waiting: Collection[int]) -> tuple[Skipped, ...]:
    """Photos whose kept picture is gone or damaged, each with what to do.

    Args: waiting: photos without an encoding, which nobody sees, so that nobody can delete them.
    """
    mends = (
        ("delete the photo and add it again", [image_id for image_id in gone if image_id not in waiting]),
        ("add the file again", [image_id for image_id in gone if image_id in waiting]),
    )
    return tuple(
        Skipped(name, f"its kept picture is gone or damaged; {mend}")
        for mend, images in mends
        for name in image_names(library.database, images)
    )


def _settle(library: Library, encoder: "Encoder", gallery_id: int, budget: float) -> list[int]:
    """Have the photos that a budget lets go where they stand, or before, stand for it; returns those that go on."""
    staying: list[int] = []
    going_on: list[int] = []
    for image_id, _, goes_on in settled(library, gallery_id, budget, encoder):
        (going_on if goes_on else staying).append(image_id)
    if staying:
        keep_for_budget(library.database, gallery_id, stamp_of(encoder), budget, staying, {})
    return going_on


def _keep(
    library: Library, encoder: "Encoder", gallery_id: int, group: Group, encodings: "Sequence[Encoding]"
) -> list[ImageRow]:
    """Store what became of photos; those that go on keep what stands of their encoding."""
    stored, stamp = (library.database, gallery_id), stamp_of(encoder)
    found = dict(zip(group.ids, encodings, strict=True))
    if not group.encoded:
        return replace_encodings(*stored, stamp, found)
    budget = encodings[0].budget
    assert budget is not None  # they left by it
    keep_for_budget(*stored, stamp, budget, group.ids, found)
    return get_images(library.database, sorted(group.ids))
