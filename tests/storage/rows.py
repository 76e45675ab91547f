"""Rows that tests keep."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from engine.exits.batch import Encoding
from engine.storage.database import Database
from engine.storage.images import add_images
from engine.storage.schema import EncodingRow, ImageRow, ModelStamp

STAMP = ModelStamp("mini", "a" * 64, "b" * 64, exits=3, full_macs=100)


def image(
    name: str, exit: int = 1, vector: Sequence[float] | np.ndarray = (1.0, 0.0), affinity: float = 0.0
) -> ImageRow:
    encoding = EncodingRow(
        model=STAMP.key,
        vector=np.array(vector, np.float32).tobytes(),
        exit=exit,
        affinity=affinity,
        gates=b"",
        phrases=[[("a dog", 0.5)]],
        macs_index=30 * exit,
        milliseconds=1.5,
        budget=0.5,
    )
    content_hash = (name * 32)[:64]
    return ImageRow(
        content_hash=content_hash, name=f"{name}.jpg", width=4, height=3, bytes=9, added_at=0.0, encoding=encoding
    )


def reached(exit: int, from_exit: int = 0, macs: int = 10, kept: Tensor | None = None) -> Encoding:
    """An image run to an exit; its gates and phrases are numbered by the exits of this run."""
    exits = range(from_exit + 1, exit + 1)
    gates = np.array([[k] * 4 for k in exits if k < STAMP.exits], np.float32).reshape(-1, 4)
    phrases = tuple(((f"exit {k}", 0.5),) for k in exits)
    return Encoding(np.zeros(2, np.float32), exit, exit / 10, gates, phrases, macs, 1.0, 0.5, kept)


def add(database: Database, collection_id: int, *rows: str | ImageRow, stamp: ModelStamp = STAMP) -> list[ImageRow]:
    """Keep images, each with its name for a picture. Args: rows: them, or names for them."""
    made = [image(row) if isinstance(row, str) else row for row in rows]
    for row in made:
        row.encoding.model = stamp.key
    return add_images(database, collection_id, stamp, made, {row.content_hash: row.name.encode() for row in made}, {})
