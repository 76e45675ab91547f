"""Uploads read, hashed and decoded: new photos for the encoder, or why a file was left out."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from PIL import Image

from engine.ingest.image import ImageRejected
from engine.ingest.kept_picture import KEPT_SIDE, keep
from engine.ingest.sandbox import decode
from engine.ingest.upload import Upload

BATCH = 32


@dataclass(frozen=True)
class Skipped:
    """A file that was left out, and why."""

    file: str
    reason: str


@dataclass(frozen=True)
class Decoded:
    """A new photo, without its pixels."""

    name: str
    content_hash: str  # sha256 of the bytes as they came
    width: int
    height: int
    file_bytes: int
    jpeg: bytes  # the picture to keep
    taken_at: datetime | None  # on the camera's clock
    source: str | None  # as the upload says


@dataclass(frozen=True)
class Duplicate:
    """A photo that is stored already, or came earlier among the same uploads."""

    content_hash: str
    name: str
    source: str | None  # as the upload says


Outcome = Decoded | Skipped | Duplicate  # what became of an upload


def decode_batch(
    uploads: Sequence[Upload],
    is_known: Callable[[str], bool],
    seen: set[str],
    preprocess: Callable[[Image.Image], np.ndarray],
) -> tuple[list[Outcome], list[np.ndarray]]:
    """Read, hash and decode uploads; a file that cannot be used is a reason.

    Args:
        is_known: whether the photo of a content hash is stored already; such a file is hashed, and not decoded.
        seen: content hashes of photos that came earlier; those of this batch are added.
        preprocess: the encoder's.
    Returns: an outcome for each upload, and the pixels of those that were decoded: (3, S, S) uint8 each.
    """
    outcomes: list[Outcome] = []
    pixels: list[np.ndarray] = []
    for upload in uploads:
        try:
            data = upload.read()
            content_hash = hashlib.sha256(data).hexdigest()
            if content_hash in seen or is_known(content_hash):
                outcomes.append(Duplicate(content_hash, upload.name, upload.source))
                continue
            upload.admit(upload.name, content_hash, len(data))
            began = time.monotonic()
            try:
                picture = decode(data, upload.name, KEPT_SIDE)
            except ImageRejected:
                upload.refused(time.monotonic() - began)
                raise
        except ImageRejected as error:
            outcomes.append(Skipped(upload.name, error.reason))
            continue
        except OSError as error:
            outcomes.append(Skipped(upload.name, f"cannot be read ({error.strerror or error})"))
            continue
        seen.add(content_hash)
        size, (jpeg, kept) = (picture.width, picture.height), keep(picture.rgb, preprocess)
        outcomes.append(Decoded(upload.name, content_hash, *size, len(data), jpeg, picture.taken_at, upload.source))
        pixels.append(kept)
    return outcomes, pixels
