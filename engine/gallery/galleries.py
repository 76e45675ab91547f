"""Galleries: made, named, published, deleted, and summed up."""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from engine.gallery.encoder_cache import remembered_phrases
from engine.gallery.library import Library
from engine.gallery.types import GallerySummary, Photo, photo_of
from engine.storage import collections
from engine.storage.dates import Order, count_years
from engine.storage.images import (
    delete_images,
    get_image,
    get_images,
    held_hashes,
    images_at_exit,
    list_images,
)
from engine.storage.schema import CollectionRow, Kind
from engine.utils.errors import EngineError

SAMPLE = 300  # photos among which typical ones are looked for


def open_gallery(library: Library, name: str, kind: Kind = "gallery", owner: str | None = None) -> int:
    """The id of the gallery of that name, kind and owner, made if there is none.

    Raises: NameTaken where it is the demo's, EngineError where it is blank.
    """
    if not name.strip():
        raise EngineError("A gallery needs a name.")
    return collections.open_collection(library.database, name, kind, owner)


def rename_gallery(library: Library, gallery_id: int, name: str) -> None:
    """Give a gallery another name; raises GalleryMissing, NameTaken, EngineError where it is blank."""
    if not name.strip():
        raise EngineError("A gallery needs a name.")
    collections.rename_collection(library.database, gallery_id, name)


def delete_gallery(library: Library, gallery_id: int) -> None:
    """Delete a gallery and all that is kept of its photos; raises GalleryMissing."""
    collections.delete_collection(library.database, gallery_id)
    library.rankings.forget(gallery_id)


@contextmanager
def filling(library: Library, name: str, owner: str | None = None) -> Iterator[int]:
    """`open_gallery` for photos that come now, see `Library.filling`."""
    new = find_gallery(library, name, owner) is None
    gallery = open_gallery(library, name, owner=owner)
    with library.filling(gallery, new):
        yield gallery


def publish_gallery(library: Library, gallery_id: int, public: bool) -> str | None:
    """Let everyone with the link look at a gallery, or nobody any more; raises GalleryMissing.

    Returns: the link's end, which cannot be guessed. One that was taken back is never given again.
    """
    link = library.collection(gallery_id).link if public else None
    if public and link is None:
        link = secrets.token_urlsafe(16)
    collections.set_link(library.database, gallery_id, link)
    return link


def published_gallery(library: Library, link: str) -> int | None:
    """The gallery that is published under a link, which may be any text."""
    usable = link and link.isascii() and link.isprintable()
    row = collections.linked_collection(library.database, link) if usable else None
    return row.id if row is not None else None


def list_galleries(library: Library, owner: str | None = None) -> list[GallerySummary]:
    """All galleries, the demo among them, or all of an owner: the one indexed last first."""
    return [_summary(library, row) for row in collections.list_collections(library.database, owner=owner)]


def latest_gallery(library: Library) -> int | None:
    """The id of the gallery that was indexed last, never the demo's nor a visitor's; None when there is none."""
    rows = collections.list_collections(library.database, "gallery")
    return next((row.id for row in rows if row.owner is None and row.indexed_at is not None), None)


def find_gallery(library: Library, name: str, owner: str | None = None) -> int | None:
    """The id of the gallery that `open_gallery` would open, never the demo's; None when it would make one."""
    return collections.find_collection(library.database, name, "gallery", owner)


def summarize_gallery(library: Library, gallery_id: int) -> GallerySummary:
    """A gallery in numbers; raises GalleryMissing."""
    return _summary(library, library.collection(gallery_id))


def require_model(library: Library, gallery_id: int) -> None:
    """Raise GalleryMissing, or ModelChanged where a gallery was encoded with another model than the present."""
    library.encoder_of(gallery_id)


def get_photo(library: Library, photo_id: int) -> Photo:
    """One photo; raises PhotoMissing."""
    return photo_of(get_image(library.database, photo_id))


def get_photos(library: Library, photo_ids: Sequence[int]) -> list[Photo]:
    """Photos in the order of their numbers here; those that are not there any more are left out."""
    return [photo_of(row) for row in get_images(library.database, photo_ids)]


def list_photos(
    library: Library,
    gallery_id: int,
    limit: int = 100,
    order: Order = "arrival",
    year: int | None = None,
) -> list[Photo]:
    """A gallery's photos in an order, all or those of a year."""
    return [photo_of(row) for row in list_images(library.database, gallery_id, limit, order, year)]


def years_of(library: Library, gallery_id: int) -> dict[int, int]:
    """How many photos of a gallery were taken in each year, the latest first; under UNDATED those without a date."""
    return count_years(library.database, gallery_id)


def stored_hashes(library: Library, gallery_id: int, hashes: Sequence[str]) -> set[str]:
    """Those of some files, by the sha256 of their bytes, that a gallery has photos of."""
    return held_hashes(library.database, gallery_id, hashes)


def typical_photos(library: Library, gallery_id: int, exit: int, limit: int = 3) -> list[Photo]:
    """A gallery's typical photos among those that left at an exit: the nearest to their mean embedding."""
    rows = images_at_exit(library.database, gallery_id, exit, SAMPLE)
    if not rows:
        return []
    vectors = np.stack([np.frombuffer(row.encoding.vector, np.float32) for row in rows])
    nearest = np.argsort(-(vectors @ vectors.mean(axis=0)), kind="stable")[:limit]
    return [photo_of(rows[place]) for place in nearest]


def delete_photos(library: Library, gallery_id: int, photo_ids: Iterable[int]) -> int:
    """Delete photos of a gallery and all that is kept of them; returns how many there were."""
    ids = list(photo_ids)
    deleted = delete_images(library.database, gallery_id, ids)
    library.rankings.remove(gallery_id, ids)
    return deleted


def _summary(library: Library, row: CollectionRow) -> GallerySummary:
    totals = library.totals.of(row)
    macs = totals.macs_index + row.macs_queries + row.macs_pictures
    in_full = totals.photos * (row.full_macs or 0)
    return GallerySummary(
        id=row.id,
        name=row.name,
        kind=row.kind,
        photos=totals.photos,
        waiting=totals.waiting,
        by_other_phrases=totals.by_other_phrases,
        macs_index=totals.macs_index,
        macs_queries=row.macs_queries,
        macs_pictures=row.macs_pictures,
        macs=macs,
        macs_in_full=in_full,
        saved_share=max(0.0, 1 - totals.macs_index / in_full) if in_full else 0.0,
        exits=tuple(totals.exits.get(exit, 0) for exit in range(1, (row.exits or 0) + 1)),
        model=row.model,
        budget=row.budget,
        owner=row.owner,
        link=row.link,
        phrases=remembered_phrases(row),
        revision=row.revision,
    )
