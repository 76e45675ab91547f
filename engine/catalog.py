"""The use cases: take photos in, find them by words, tell what each one cost."""

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from engine.budget import BUDGET_GRID
from engine.forecast import Forecast, forecast
from engine.images import open_picture
from engine.index import VectorIndex
from engine.intake import KEPT_SIDE, Decoded, Skipped, decoded_batches, folder_uploads, uploads_of
from engine.query import DROPPED, QueryRejected, embed, parse
from engine.results import GallerySummary, Hit, IngestReport, Photo, Progress, photo_of
from engine.store import (
    CollectionRow,
    EncodingRow,
    GalleryMissing,
    ImageRow,
    Kind,
    ModelChanged,
    ModelStamp,
    PhotoMissing,
    Store,
)
from engine.upload import Upload, file_upload

if TYPE_CHECKING:
    from engine.batch import Encoding
    from engine.encoder import Encoder  # torch comes with it, and most calls need neither

# What a page or a command line needs of the engine, in one place.
__all__ = [
    "Catalog",
    "GalleryMissing",
    "GallerySummary",
    "Hit",
    "IngestReport",
    "ModelChanged",
    "Photo",
    "Progress",
    "Skipped",
    "Upload",
    "file_upload",
    "folder_uploads",
    "uploads_of",
]

SAMPLE = 300  # photos among which typical ones are looked for
CHUNK = 5_000  # photos whose gate values are read at once: a few MB


class Catalog:
    """Collections of photos, their encodings, and search; safe to use from many threads."""

    def __init__(self, store: Store, encoder: "Callable[[], Encoder]") -> None:
        """`encoder` loads the encoder; it is called once, when first needed."""
        self._store = store
        self._load_encoder = encoder
        self._encoder: Encoder | None = None
        self._indexes: dict[int, VectorIndex] = {}
        self._lock = Lock()

    @property
    def encoder(self) -> "Encoder":
        """The encoder, loaded at the first call."""
        with self._lock:
            if self._encoder is None:
                self._encoder = self._load_encoder()
            return self._encoder

    def open_collection(self, name: str, kind: Kind = "gallery", owner: str | None = None) -> int:
        """The id of the collection of that name, kind and owner, made if there is none."""
        return self._store.open_collection(name, kind, owner)

    def remove(self, collection_id: int) -> None:
        """Delete a collection and all that is kept of its photos; raises GalleryMissing."""
        self._store.remove(collection_id)
        with self._lock:
            self._indexes.pop(collection_id, None)

    def rename(self, collection_id: int, name: str) -> None:
        """Give a collection another name; raises GalleryMissing, NameTaken."""
        self._store.rename(collection_id, name)

    def publish(self, collection_id: int, public: bool) -> str | None:
        """Let everyone with the link look at a collection, or nobody any more; raises GalleryMissing.

        Returns: the link's end, which cannot be guessed. One that was taken back is never given again.
        """
        link = self._store.collection(collection_id).link if public else None
        if public and link is None:
            link = secrets.token_urlsafe(16)
        self._store.set_link(collection_id, link)
        return link

    def published(self, link: str) -> int | None:
        """The collection that is published under a link."""
        row = self._store.linked(link) if link else None
        return row.id if row is not None else None

    def remove_photos(self, collection_id: int, photo_ids: Iterable[int]) -> int:
        """Delete photos of a collection and all that is kept of them; returns how many there were."""
        removed = self._store.remove_images(collection_id, list(photo_ids))
        with self._lock:
            self._indexes.pop(collection_id, None)  # built again at the next search
        return removed

    def galleries(self) -> list[GallerySummary]:
        """All collections, the demo among them: the one indexed last first."""
        return [self._summary(row) for row in self._store.collections()]

    def latest(self) -> int | None:
        """The id of the gallery that was indexed last, never the demo's; None when there is none."""
        return next((row.id for row in self._store.collections("gallery") if row.indexed_at is not None), None)

    def find(self, name: str) -> int | None:
        """The id of the gallery of that name, never the demo's; None when there is none."""
        return next((row.id for row in self._store.collections("gallery") if row.name == name), None)

    def summary(self, collection_id: int) -> GallerySummary:
        """A collection in numbers; raises GalleryMissing."""
        return self._summary(self._store.collection(collection_id))

    def require_model(self, collection_id: int) -> None:
        """Raise GalleryMissing, or ModelChanged where a collection was encoded with another model than the present."""
        self._store.collection(collection_id).require(_stamp(self.encoder))

    def photo(self, photo_id: int) -> Photo:
        """One photo; raises PhotoMissing."""
        return photo_of(self._store.image(photo_id))

    def photos(self, collection_id: int, offset: int = 0, limit: int = 100) -> list[Photo]:
        """A collection's photos in the order in which they came."""
        return [photo_of(row) for row in self._store.page(collection_id, offset, limit)]

    def picture_path(self, content_hash: str) -> Path:
        """Where the picture of a photo is kept: upright, at most 768 px, JPEG without metadata."""
        return self._store.picture_path(content_hash)

    def ingest(
        self,
        collection_id: int,
        uploads: Iterable[Upload],
        budget: float | None = None,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> IngestReport:
        """Take files into a collection, batch by batch; a finished batch stays whatever happens later.

        Args:
            budget: mean MACs share to aim at; by default the collection's last one, or else the encoder's own.
            on_progress: told after every batch; what it raises stops the ingest.
        Raises: GalleryMissing, ModelChanged, StoreUnusable; a bad file is a line in the report instead.
        """
        collection = self._store.collection(collection_id)
        encoder = self.encoder
        collection.require(_stamp(encoder))
        self._store.touch(collection_id)
        aim = budget if budget is not None else collection.budget

        start = time.perf_counter()
        files = list(uploads)
        done = added = macs = 0
        skipped: list[Skipped] = []
        is_known = partial(self._store.has_image, collection_id)
        for batch in decoded_batches(files, is_known, encoder.preprocess):
            fresh = [outcome for outcome in batch if isinstance(outcome, Decoded)]
            rows = self._encode(collection_id, encoder, aim, fresh) if fresh else []
            done += len(batch)
            added += len(rows)
            macs += sum(row.encoding.macs_index for row in rows)
            skipped += [outcome for outcome in batch if isinstance(outcome, Skipped)]
            if on_progress is not None:
                on_progress(Progress(done, len(files), tuple(map(photo_of, rows))))
        seconds = time.perf_counter() - start
        return IngestReport(
            added=added,
            duplicates=done - added - len(skipped),
            skipped=tuple(skipped),
            seconds=seconds,
            images_per_second=added / seconds,
            mean_macs_share=macs / (added * encoder.full_macs) if added else 0.0,
        )

    def search(self, collection_id: int, text: str, k: int = 20) -> list[Hit]:
        """The k photos of a collection that fit the text best, best first; equal scores in the order they came.

        Photos of an ingest that is still running are found from the batch on that is finished.
        Raises: GalleryMissing, ModelChanged.
        """
        collection = self._store.collection(collection_id)
        if not text.strip():
            return []
        encoder = self.encoder
        collection.require(_stamp(encoder))
        with self._lock:
            index = self._indexes.setdefault(collection_id, VectorIndex(encoder.dim))
        index.catch_up(partial(self._store.vectors, collection_id))
        ids, scores = index.search(encoder.encode_text([text])[0], k)
        found = dict(zip(ids.tolist(), scores.tolist(), strict=True))
        rows = self._store.images(list(found))
        return [Hit(rank, found[row.id], photo_of(row)) for rank, row in enumerate(rows, start=1)]

    def embed_query(self, collection_id: int, text: str, dropped: np.ndarray | None = None) -> np.ndarray | None:
        """What one line of words and pictures asks for (see `engine.query`); None for a blank line.

        Args:
            dropped: (D,) the picture that came with the query, where one did.
        Returns: (D,) float32, unit length.
        Raises: QueryRejected; PhotoMissing for a photo that is not of this collection.
        """

        def photo(name: str) -> np.ndarray:
            if name != DROPPED:
                return self._vector(collection_id, int(name))
            if dropped is None:
                raise QueryRejected("The picture of this query is gone; drop it again.")
            return dropped

        terms = parse(text)
        return embed(terms, self.encoder.encode_text, photo) if terms else None

    def embed_picture(self, data: bytes, name: str) -> np.ndarray:
        """(D,) What a picture shows, at full depth; raises ImageRejected. Nothing of it is kept."""
        encoder = self.encoder
        pixels = encoder.preprocess(open_picture(data, name, KEPT_SIDE).rgb)
        return encoder.encode_to(pixels[None], encoder.exits)[0]

    def at_exit(self, collection_id: int, exit: int, limit: int = 3) -> list[Photo]:
        """A collection's typical photos among those that left at an exit: the nearest to their mean embedding."""
        rows = self._store.at_exit(collection_id, exit, SAMPLE)
        if not rows:
            return []
        vectors = np.stack([np.frombuffer(row.encoding.vector, np.float32) for row in rows])
        nearest = np.argsort(-(vectors @ vectors.mean(axis=0)), kind="stable")[:limit]
        return [photo_of(rows[place]) for place in nearest]

    def forecast(self, collection_id: int, budget: float) -> Forecast:
        """What a collection's photos would do at another budget, as far as their gate values tell."""
        plans, to = self.encoder.plans, _place(budget)
        return forecast(self._gates(collection_id), plans, self.encoder.exit_macs(plans[to].open), to)

    def _vector(self, collection_id: int, photo_id: int) -> np.ndarray:
        ids, vectors = self._store.vectors(collection_id, photo_id - 1, 1)
        if ids.tolist() != [photo_id]:
            raise PhotoMissing(f"There is no photo number {photo_id} in this gallery; search again.")
        return vectors[0]

    def _encode(
        self, collection_id: int, encoder: "Encoder", budget: float | None, photos: list[Decoded]
    ) -> list[ImageRow]:
        """Encode a batch and store it in one transaction; returns the rows that are new."""
        pixels = np.stack([photo.pixels for photo in photos])
        encodings = encoder.encode(pixels) if budget is None else encoder.encode(pixels, budget)
        rows = [_row(photo, encoding) for photo, encoding in zip(photos, encodings, strict=True)]
        pictures = {photo.content_hash: photo.jpeg for photo in photos}
        return self._store.add(collection_id, _stamp(encoder), rows, pictures)

    def _summary(self, row: CollectionRow) -> GallerySummary:
        totals = self._store.totals(row.id)
        full_macs = totals.photos * (row.full_macs or 0)
        return GallerySummary(
            id=row.id,
            name=row.name,
            kind=row.kind,
            photos=totals.photos,
            macs=totals.macs,
            full_macs=full_macs,
            saved_share=1 - totals.macs / full_macs if full_macs else 0.0,
            exits=tuple(totals.exits.get(exit, 0) for exit in range(1, (row.exits or 0) + 1)),
            model=row.model,
            budget=row.budget,
            link=row.link,
        )

    def _gates(self, collection_id: int) -> Iterator[tuple[int, np.ndarray]]:
        """A collection's photos by the budget they were encoded for, as `forecast` takes them."""
        gated = self.encoder.exits - 1
        after = 0
        while rows := self._store.gates(collection_id, after, CHUNK):
            after = rows[-1][0]
            places = [_place(budget) for _, budget, _ in rows]
            values = np.full((len(rows), gated, len(BUDGET_GRID)), np.nan, np.float32)
            for row, (_, _, gates) in enumerate(rows):
                reached = np.frombuffer(gates, np.float32).reshape(-1, len(BUDGET_GRID))
                values[row, : len(reached)] = reached
            for origin in set(places):
                yield origin, values[[place == origin for place in places]]


def _place(budget: float) -> int:
    """The nearest budget's place on the grid."""
    return int(np.abs(np.array(BUDGET_GRID) - budget).argmin())


def _stamp(encoder: "Encoder") -> ModelStamp:
    identity = encoder.identity
    return ModelStamp(identity.model, identity.weights, identity.exits, encoder.exits, encoder.full_macs)


def _row(photo: Decoded, encoding: "Encoding") -> ImageRow:
    return ImageRow(
        content_hash=photo.content_hash,
        name=photo.name,
        width=photo.width,
        height=photo.height,
        bytes=photo.file_bytes,
        added_at=time.time(),
        encoding=EncodingRow(
            vector=np.asarray(encoding.vector, np.float32).tobytes(),
            exit=encoding.exit,
            gates=np.asarray(encoding.gates, np.float32).tobytes(),
            phrases=encoding.phrases,
            macs_index=encoding.macs,
            milliseconds=encoding.milliseconds,
            budget=encoding.budget,
        ),
    )
