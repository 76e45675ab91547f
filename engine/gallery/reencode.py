"""Photos encoded again from their kept pictures, batch by batch, one decoded ahead of the encoder."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.gallery.types import IngestReport, Progress, photo_of
from engine.ingest.decode import BATCH, Skipped
from engine.search.refine import kept_pixels
from engine.storage.schema import stamp_of
from engine.storage.store import EncodingRow, Store

if TYPE_CHECKING:
    from torch import Tensor

    from engine.exits.encoder import Encoder


def encode_again(
    store: Store,
    encoder: "Encoder",
    collection_id: int,
    budget: float,
    on_progress: Callable[[Progress], object] | None = None,
) -> IngestReport:
    """Encode those photos of a collection that have no encoding for a budget of the grid; see `Catalog.reencode`."""
    start = time.perf_counter()
    images = store.to_recode(collection_id, budget)
    totals = store.totals(collection_id)
    skipped: list[Skipped] = []
    done = macs = 0
    for ids, pixels, gone in kept_batches(images, store.picture_path, encoder):
        encodings = dict(zip(ids, encoder.encode(pixels, budget) if pixels is not None else [], strict=True))
        rows = store.recode(
            collection_id,
            stamp_of(encoder),
            {image_id: EncodingRow.of(encoding) for image_id, encoding in encodings.items()},
            {image_id: e.map.pack() for image_id, e in encodings.items() if e.map is not None},
        )
        left_out = tuple(Skipped(name, "its kept picture is gone") for name in store.names(gone))
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
    images: Sequence[tuple[int, str]], picture_path: Callable[[str], Path], encoder: "Encoder"
) -> "Iterator[tuple[list[int], np.ndarray | Tensor | None, list[int]]]":
    """Pictures of images in batches of `BATCH`.

    Args: images: (id, content hash) of each.
    Yields: ids, their pixels as the encoder takes them, and the ids of those whose picture is gone.
    """

    def decode(start: int) -> "tuple[list[int], np.ndarray | Tensor | None, list[int]]":
        batch = images[start : start + BATCH]
        pictures = [(i, kept_pixels(picture_path(content_hash), encoder)) for i, content_hash in batch]
        there = {i: pixels for i, pixels in pictures if pixels is not None}
        gone = [i for i, pixels in pictures if pixels is None]
        return list(there), encoder.send(list(there.values())) if there else None, gone

    with ThreadPoolExecutor(1, "decode") as thread:
        following = thread.submit(decode, 0)
        for start in range(0, len(images), BATCH):
            batch, following = following.result(), thread.submit(decode, start + BATCH)
            yield batch
