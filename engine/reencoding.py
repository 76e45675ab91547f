"""Kept pictures on their way through the encoder again, one batch decoded ahead of it."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.intake import BATCH
from engine.refinement import kept_pixels

if TYPE_CHECKING:
    from engine.encoder import Encoder


def kept_batches(
    images: Sequence[tuple[int, str]], picture_path: Callable[[str], Path], encoder: "Encoder"
) -> Iterator[tuple[list[int], np.ndarray, list[int]]]:
    """Pictures of images in batches of `BATCH`.

    Args: images: (id, content hash) of each.
    Yields: ids, their pixels (B, 3, S, S) uint8, and the ids of those whose picture is gone.
    """

    def decode(start: int) -> list[np.ndarray | None]:
        return [kept_pixels(picture_path(content_hash), encoder) for _, content_hash in images[start : start + BATCH]]

    with ThreadPoolExecutor(1, "decode") as thread:
        following: Future[list[np.ndarray | None]] = thread.submit(decode, 0)
        for start in range(0, len(images), BATCH):
            decoded, following = following.result(), thread.submit(decode, start + BATCH)
            ids = [image_id for image_id, _ in images[start : start + BATCH]]
            there = [(i, pixels) for i, pixels in zip(ids, decoded, strict=True) if pixels is not None]
            gone = [i for i, pixels in zip(ids, decoded, strict=True) if pixels is None]
            yield [i for i, _ in there], np.stack([p for _, p in there]) if there else np.empty(0), gone
