"""The use cases: take photos in, find them by words, tell what each one cost."""

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import EngineError
from engine.images import MAX_BYTES, ImageRejected, open_picture, picture_size, to_jpeg
from engine.index import VectorIndex
from engine.store import CollectionRow, EncodingRow, GalleryMissing, ImageRow, Kind, ModelStamp, Store

if TYPE_CHECKING:
    from engine.encoder import Encoder, Encoding  # torch comes with it, and most calls need neither

BATCH = 32
KEPT_SIDE = 768  # the longest side of the pictures that are kept, and that the encoder sees
# What may be a picture by its name: what we read, and what people would miss if it were passed over in silence.
# fmt: off
PICTURE_SUFFIXES = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif",
    ".heic", ".heif", ".jxl", ".jp2",
))
# fmt: on

Phrases = tuple[tuple[tuple[str, float], ...], ...]


class FolderMissing(EngineError):
    """There is no such folder."""


@dataclass(frozen=True)
class Upload:
    """A file to take in; its bytes are read late, one file at a time."""

    name: str
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Skipped:
    """A file that was left out, and why."""

    file: str
    reason: str


@dataclass(frozen=True)
class IngestReport:
    """What became of the files of one ingest; the time is that of reading, encoding and storing them."""

    added: int
    duplicates: int
    skipped: tuple[Skipped, ...]
    seconds: float
    images_per_second: float  # of those added
    mean_macs_share: float  # of those added; 0 when there are none


@dataclass(frozen=True)
class Photo:
    """A stored photo and how it went through the encoder."""

    id: int
    file: str
    content_hash: str
    width: int
    height: int
    exit: int  # 1..exits, where it left
    exits: int
    macs: int  # spent so far, when indexed and by queries
    macs_share: float  # of the bare full encoder's; what is saved is 1 less this
    milliseconds: float
    gates: (
        np.ndarray
    )  # (R, G) float32: at each gated exit reached, the probability of leaving at each budget of the grid
    phrases: Phrases  # at each exit reached: the guide texts that fit best, and their shares
    budget: float


@dataclass(frozen=True)
class Progress:
    """How far an ingest has come; told after every batch."""

    done: int
    total: int
    latest: tuple[Photo, ...]


@dataclass(frozen=True)
class Hit:
    """A photo found; the score is the cosine between its embedding and the query's."""

    rank: int
    score: float
    photo: Photo


@dataclass(frozen=True)
class GallerySummary:
    """A collection in numbers; model and budget are empty until its first photo is in."""

    id: int
    name: str
    kind: str
    photos: int
    macs: int  # spent on all its photos
    full_macs: int  # what the bare full encoder would have spent on them
    saved_share: float  # 1 - macs / full_macs; 0 for an empty gallery
    exits: tuple[int, ...]  # photos that left at each exit
    model: str | None
    budget: float | None


@dataclass(frozen=True)
class _Decoded:
    """A new photo, ready for the encoder."""

    image: ImageRow
    pixels: np.ndarray  # (3, S, S) uint8
    jpeg: bytes


@dataclass(frozen=True)
class _Prepared:
    """What became of one batch of uploads before the encoder."""

    uploads: int
    fresh: list[_Decoded]
    duplicates: int
    skipped: list[Skipped]


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

    def galleries(self) -> list[GallerySummary]:
        """All collections, the demo among them: the one indexed last first."""
        return [self._summary(row) for row in self._store.collections()]

    def latest(self) -> int:
        """The id of the gallery that was indexed last, never the demo's; raises GalleryMissing when there is none."""
        rows = self._store.collections("gallery")
        if not rows:
            raise GalleryMissing("Nothing is indexed yet; add photos first.")
        return rows[0].id

    def find(self, name: str) -> int:
        """The id of the gallery of that name, never the demo's; raises GalleryMissing."""
        rows = self._store.collections("gallery")
        for row in rows:
            if row.name == name:
                return row.id
        others = ", ".join(f'"{row.name}"' for row in rows) or "none yet"
        raise GalleryMissing(f'There is no gallery "{name}"; there are: {others}.')

    def summary(self, collection_id: int) -> GallerySummary:
        """A collection in numbers; raises GalleryMissing."""
        return self._summary(self._store.collection(collection_id))

    def photo(self, photo_id: int) -> Photo:
        """One photo; raises PhotoMissing."""
        return _photo(self._store.image(photo_id))

    def photos(self, collection_id: int, offset: int = 0, limit: int = 100) -> list[Photo]:
        """A collection's photos in the order in which they came."""
        return [_photo(row) for row in self._store.page(collection_id, offset, limit)]

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
        stamp = _stamp(encoder)
        collection.require(stamp)
        self._store.touch(collection_id)
        aim = budget if budget is not None else collection.budget

        start = time.perf_counter()
        files = list(uploads)
        done = added = duplicates = macs = 0
        skipped: list[Skipped] = []
        seen: set[str] = set()
        # The next batch is read and decoded while this one is encoded: two are in memory at most.
        for batch in _ahead(partial(self._prepare, collection_id, encoder, seen), _batches(files)):
            rows = self._encode(collection_id, encoder, stamp, aim, batch.fresh) if batch.fresh else []
            done += batch.uploads
            added += len(rows)
            duplicates += batch.duplicates + len(batch.fresh) - len(rows)
            macs += sum(row.encoding.macs_index for row in rows)
            skipped += batch.skipped
            if on_progress is not None:
                on_progress(Progress(done, len(files), tuple(map(_photo, rows))))
        seconds = time.perf_counter() - start
        return IngestReport(
            added=added,
            duplicates=duplicates,
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
        return [Hit(rank, found[row.id], _photo(row)) for rank, row in enumerate(rows, start=1)]

    def _prepare(self, collection_id: int, encoder: "Encoder", seen: set[str], uploads: list[Upload]) -> _Prepared:
        """Read and hash each file of a batch, and decode those that are new."""
        fresh: list[_Decoded] = []
        skipped: list[Skipped] = []
        duplicates = 0
        for upload in uploads:
            try:
                data = upload.read()
                content_hash = hashlib.sha256(data).hexdigest()
                if content_hash in seen or self._store.has_image(collection_id, content_hash):
                    duplicates += 1
                    continue
                fresh.append(_decode(encoder, upload.name, data, content_hash))
                seen.add(content_hash)
            except ImageRejected as error:
                skipped.append(Skipped(upload.name, error.reason))
            except OSError as error:
                skipped.append(Skipped(upload.name, f"cannot be read ({error.strerror or error})"))
        return _Prepared(len(uploads), fresh, duplicates, skipped)

    def _encode(
        self, collection_id: int, encoder: "Encoder", stamp: ModelStamp, budget: float | None, batch: list[_Decoded]
    ) -> list[ImageRow]:
        """Encode a batch and store it in one transaction; returns the rows that are new."""
        pixels = np.stack([decoded.pixels for decoded in batch])
        encodings = encoder.encode(pixels) if budget is None else encoder.encode(pixels, budget)
        for decoded, encoding in zip(batch, encodings, strict=True):
            decoded.image.encoding = _encoding_row(encoding)
        pictures = {decoded.image.content_hash: decoded.jpeg for decoded in batch}
        return self._store.add(collection_id, stamp, [decoded.image for decoded in batch], pictures)

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
        )


def file_upload(path: Path, name: str) -> Upload:
    """A file on disk, to be taken in under a name."""
    return Upload(name, partial(_read, path))


def folder_uploads(folder: Path) -> list[Upload]:
    """Every file below a folder that may be a picture by its name, sorted; named by the path from the folder on.

    Hidden files and folders are passed over. Raises: FolderMissing.
    """
    if not folder.is_dir():
        raise FolderMissing(f"{folder} is not a folder; name one that holds photos.")
    paths = sorted(_picture_files(folder), key=lambda path: path.relative_to(folder).parts)
    # A name that is not UTF-8 can be neither stored nor shown.
    names = (os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", "replace") for path in paths)
    return [file_upload(path, name) for path, name in zip(paths, names, strict=True)]


def _picture_files(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(parent, name) for name in files if not name.startswith(".")):
            if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file():
                yield path


def _read(path: Path) -> bytes:
    # One byte over the limit is enough to be rejected for it.
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _batches(uploads: Sequence[Upload]) -> Iterator[list[Upload]]:
    return (list(uploads[start : start + BATCH]) for start in range(0, len(uploads), BATCH))


def _ahead(prepare: Callable[[list[Upload]], _Prepared], batches: Iterable[list[Upload]]) -> Iterator[_Prepared]:
    """Prepared batches in order, the next one in the making while the caller works on the last."""
    with ThreadPoolExecutor(1, "decode") as thread:
        pending: Future[_Prepared] | None = None
        for batch in batches:
            following = thread.submit(prepare, batch)
            if pending is not None:
                yield pending.result()
            pending = following
        if pending is not None:
            yield pending.result()


def _decode(encoder: "Encoder", name: str, data: bytes, content_hash: str) -> _Decoded:
    picture = open_picture(data, name, KEPT_SIDE)
    width, height = picture_size(data, name)
    image = ImageRow(
        content_hash=content_hash, name=name, width=width, height=height, bytes=len(data), added_at=time.time()
    )
    return _Decoded(image, encoder.preprocess(picture), to_jpeg(picture))


def _stamp(encoder: "Encoder") -> ModelStamp:
    identity = encoder.identity
    return ModelStamp(identity.model, identity.weights, identity.exits, encoder.exits, encoder.full_macs)


def _encoding_row(encoding: "Encoding") -> EncodingRow:
    return EncodingRow(
        vector=np.asarray(encoding.vector, np.float32).tobytes(),
        exit=encoding.exit,
        gates=np.asarray(encoding.gates, np.float32).tobytes(),
        phrases=encoding.phrases,
        macs_index=encoding.macs,
        macs_query=0,
        milliseconds=encoding.milliseconds,
        budget=encoding.budget,
    )


def _photo(row: ImageRow) -> Photo:
    encoding, collection = row.encoding, row.collection
    assert collection.exits is not None  # stamped with its first image
    assert collection.full_macs is not None
    macs = encoding.macs_index + encoding.macs_query
    gated = min(encoding.exit, collection.exits - 1)  # exits reached that have a gate: all but the last
    return Photo(
        id=row.id,
        file=row.name,
        content_hash=row.content_hash,
        width=row.width,
        height=row.height,
        exit=encoding.exit,
        exits=collection.exits,
        macs=macs,
        macs_share=macs / collection.full_macs,
        milliseconds=encoding.milliseconds,
        gates=np.frombuffer(encoding.gates, np.float32).reshape(gated, -1 if gated else 0),
        phrases=tuple(tuple((text, share) for text, share in at_exit) for at_exit in encoding.phrases),
        budget=encoding.budget,
    )
