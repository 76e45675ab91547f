"""What the full encoder would have found and how long it takes: a race, and rankings by full-depth embeddings.

Full-depth embeddings are made for the comparison alone. They are kept in memory beside the index and never in it, and
their MACs are said where the comparison is shown; a gallery's own account does not change.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from cachetools import LRUCache

from engine.gallery.galleries import list_photos
from engine.gallery.library import Library
from engine.gallery.search import rank_photos
from engine.gallery.speed_race import BATCH, MOST, Lap, Race, race
from engine.gallery.types import Photo
from engine.ingest.kept_picture import PictureGone, kept_pixels
from engine.search.query_parser import Query
from engine.storage.collections import add_race, last_race
from engine.storage.dates import taken_in
from engine.storage.images import hashes_of
from engine.storage.schema import ModelChanged, RaceRow
from engine.utils.errors import EngineError

if TYPE_CHECKING:
    from engine.exits.batch import Encoding
    from engine.exits.encoder import Encoder, Identity

GALLERIES_KEPT = 8


@dataclass(frozen=True)
class FullRun:
    """Photos of a gallery at full depth."""

    ids: np.ndarray  # (N,) int64
    vectors: np.ndarray  # (N, D) float32
    lifts: np.ndarray  # (N,) what is added to each one's cosines for queries of words
    macs: int  # what the full encoder spent on them once
    made_by: "Identity"  # the model and the exits, by which the lifts are


@dataclass(frozen=True)
class Agreement:
    """Two rankings side by side: the one that was shown, and the full encoder's."""

    shown: tuple[int, ...]  # photo ids, best first
    full: tuple[int, ...]
    moves: tuple[int | None, ...]  # of each photo shown: places that the full encoder moves it up; None: off its page

    @property
    def shared(self) -> int:
        """How many photos are on both pages."""
        return len(set(self.shown) & set(self.full))

    @property
    def same_first(self) -> bool:
        """Whether both put the same photo first."""
        return self.shown[:1] == self.full[:1]


class Comparison:
    """The full encoder beside the one that stops early; safe to use from many threads."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._runs: LRUCache[int, FullRun] = LRUCache(GALLERIES_KEPT)
        self._lock, self._running = Lock(), Lock()

    def race(self, gallery_id: int, on_lap: Callable[[Lap], object] | None = None) -> Race:
        """Race over a gallery's photos (the first MOST of them) at its budget, and keep the result with its date.

        Raises: GalleryMissing, ModelChanged, PictureGone, what `on_lap` raises; EngineError where there is no photo, or
            the host lends its GPU.
        """
        if os.environ.get("SPACES_ZERO_GPU"):  # and a call that waits in line for a GPU would time the line
            raise EngineError(
                "This host lends its GPU to the encoder that stops early alone, so a race would not be fair; "
                "run this program on a machine of your own to measure one."
            )
        encoder = self._library.encoder_of(gallery_id)
        photos = self._photos(gallery_id)
        measured, found = race(encoder, self._batches(photos), len(photos), photos[-1].budget, on_lap)
        self._keep(gallery_id, encoder, photos, found)
        add_race(self._library.database, RaceRow(collection_id=gallery_id, **vars(measured)))
        return measured

    def run_in_full(self, gallery_id: int) -> FullRun:
        """A gallery's photos (the first MOST of them) at full depth, without a race: for both rankings alone.

        Who asks for them while they are run waits, and is given the same.

        Raises: GalleryMissing, ModelChanged, PictureGone; EngineError where there is no photo.
        """
        with self._running:
            known = self.full_run(gallery_id)
            if known is not None:
                return known
            encoder = self._library.encoder_of(gallery_id)
            photos = self._photos(gallery_id)
            found = [encoding for pixels in self._batches(photos) for encoding in encoder.deepen(pixels, encoder.exits)]
            return self._keep(gallery_id, encoder, photos, found)

    def last(self, gallery_id: int) -> Race | None:
        """The latest race over a gallery's photos, from any run of the program."""
        row = last_race(self._library.database, gallery_id)
        if row is None:
            return None
        return Race(row.at, row.photos, row.budget, row.full_per_second, row.early_per_second, row.macs_share)

    def full_run(self, gallery_id: int, year: int | None = None) -> FullRun | None:
        """The gallery's photos at full depth, where a race in this run of the program has made them.

        Those that were deleted since are left out; None where no photo is left.

        Args: year: that they were taken in (UNDATED: without a date), of which there may be none; None: whenever.
        Raises: GalleryMissing.
        """
        with self._lock:
            found = self._runs.get(gallery_id)
        try:
            encoder = self._library.encoder_of(gallery_id)
        except ModelChanged:
            return None
        if found is None or found.made_by != encoder.identity:
            return None
        there = np.isin(found.ids, list(hashes_of(self._library.database, found.ids.tolist())))
        if not there.any():
            with self._lock:
                self._runs.pop(gallery_id, None)
            return None
        if year is not None:
            there &= np.isin(found.ids, taken_in(self._library.database, gallery_id, year))
        ids = found.ids[there]
        return FullRun(ids, found.vectors[there], found.lifts[there], encoder.full_macs * len(ids), found.made_by)

    def _photos(self, gallery_id: int) -> list[Photo]:
        photos = list_photos(self._library, gallery_id, limit=MOST)
        if not photos:
            raise EngineError("This gallery has no photos to compare with; add some first.")
        return photos

    def _keep(
        self, gallery_id: int, encoder: "Encoder", photos: Sequence[Photo], found: "Sequence[Encoding]"
    ) -> FullRun:
        ids = np.array([photo.id for photo in photos], np.int64)
        vectors = np.stack([encoding.vector for encoding in found])
        affinity = np.array([encoding.affinity for encoding in found])
        _, lifts = encoder.scorer.lines(np.full(len(found), encoder.exits - 1), affinity)
        run = FullRun(ids, vectors, lifts, encoder.full_macs * len(photos), encoder.identity)
        with self._lock:
            self._runs[gallery_id] = run
        return run

    def _batches(self, photos: Sequence[Photo]) -> Iterator[np.ndarray]:
        for start in range(0, len(photos), BATCH):
            yield np.stack([self._pixels(photo) for photo in photos[start : start + BATCH]])

    def _pixels(self, photo: Photo) -> np.ndarray:
        pixels = kept_pixels(self._library.picture_path(photo.content_hash), self._library.encoder.preprocess)
        if pixels is None:
            raise PictureGone.of(photo.file)
        return pixels


def ranking(run: FullRun, query: Query, k: int) -> list[int]:
    """The ids of the k best photos for a query at full depth, best first; equal ones in the order they came."""
    scores = run.vectors @ query.vector + (0 if query.picture else run.lifts)
    return run.ids[np.lexsort((run.ids, -scores))[:k]].tolist()


def agreement(shown: Sequence[int], full: Sequence[int], k: int = 10) -> Agreement:
    """Compare the first k of two rankings.

    Args:
        shown, full: photo ids, best first, over the same photos.
    """
    first, second = tuple(shown[:k]), tuple(full[:k])
    place = {photo: rank for rank, photo in enumerate(second)}
    moves = tuple(rank - place[photo] if photo in place else None for rank, photo in enumerate(first))
    return Agreement(first, second, moves)


def compare_rankings(library: Library, gallery_id: int, run: FullRun, query: Query, k: int = 10) -> Agreement:
    """How a gallery's first k for a query agree with full depth's, over the photos that both know.

    Raises: GalleryMissing, ModelChanged.
    """
    return agreement(rank_photos(library, gallery_id, query, run.ids.tolist()), ranking(run, query, k), k)
