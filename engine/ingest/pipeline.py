"""New photos encoded batch by batch, wherever that is done."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from engine.ingest.decode import BATCH, Decoded, Duplicate, Outcome, Skipped, decode_batch
from engine.ingest.upload import Upload
from engine.utils.prefetch import prefetched

if TYPE_CHECKING:
    from torch import Tensor

    from engine.exits import batch
    from engine.exits.encoder import Encoder


@dataclass(frozen=True)
class Known:
    """The photos that are stored already, by content hash."""

    has: Callable[[str], bool]
    all: Callable[[], list[str]]


@dataclass(frozen=True)
class Encoded:
    """A new photo, ready for the store; all of it is plain data, which another machine may have made."""

    photo: Decoded
    encoding: "batch.Encoding"  # without its map
    map: bytes | None  # the feature map that it left with, packed


Made = Encoded | Skipped | Duplicate  # what became of an upload

# Decodes and encodes uploads, in this process or on a cluster. Given are, too, the photos that need not be encoded and
# the mean MACs share to aim at (None: the encoder's own). Gives what became of each, batch by batch, in any order.
EncodeFiles = Callable[[Sequence[Upload], Known, "Encoder", float | None], Iterator[list[Made]]]


def encode_here(
    uploads: Sequence[Upload], known: Known, encoder: "Encoder", budget: float | None
) -> Generator[list[Made], None, None]:
    """Encode in this process, in the order of the uploads; the next batch is decoded while one is encoded.

    One batch ahead and no more, so memory holds the pixels of two batches at most.
    """
    seen: set[str] = set()

    def decode(start: int) -> "tuple[list[Outcome], np.ndarray | Tensor | None]":
        batch = uploads[start : start + BATCH]
        outcomes, pixels = decode_batch(batch, known.has, seen, encoder.preprocess)
        return outcomes, encoder.send(pixels) if pixels else None

    for outcomes, pixels in prefetched(decode, range(0, len(uploads), BATCH)):
        yield encode_batch(outcomes, pixels, encoder, budget)


def encode_batch(
    outcomes: Sequence[Outcome], pixels: "np.ndarray | Tensor | None", encoder: "Encoder", budget: float | None
) -> list[Made]:
    """Encode the new photos of a batch.

    Args: pixels: of the decoded ones, as the encoder takes them; None where there are none.
    """
    if pixels is None:
        return [outcome for outcome in outcomes if not isinstance(outcome, Decoded)]
    encodings = iter(encoder.encode(pixels) if budget is None else encoder.encode(pixels, budget))
    made: list[Made] = []
    for outcome in outcomes:
        if isinstance(outcome, Decoded):
            encoding = next(encodings)
            made.append(Encoded(outcome, replace(encoding, map=None), encoding.packed_map()))
        else:
            made.append(outcome)
    return made
