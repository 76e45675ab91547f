"""Uploads on their way to the encoder: read, hashed and decoded, one batch ahead of it."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from engine.ingest.archives import archive_uploads, is_archive
from engine.ingest.image import ImageRejected
from engine.ingest.kept_picture import KEPT_SIDE, to_jpeg
from engine.ingest.sandbox import decode
from engine.ingest.upload import PICTURE_SUFFIXES, Upload, file_upload
from engine.utils.errors import EngineError
from engine.utils.prefetch import prefetched

BATCH = 32


class FolderMissing(EngineError):
    """There is no such folder."""


@dataclass(frozen=True)
class Skipped:
    """A file that was left out, and why."""

    file: str
    reason: str


@dataclass(frozen=True)
class Decoded:
    """A new photo, ready for the encoder and for the store."""

    name: str
    content_hash: str  # sha256 of the bytes as they came
    width: int
    height: int
    file_bytes: int
    pixels: np.ndarray  # (3, S, S) uint8
    jpeg: bytes


# What became of an upload; None: its photo is stored already, or came earlier among the same uploads.
Outcome = Decoded | Skipped | None
Pixels = TypeVar("Pixels")


def decoded_batches(
    uploads: Sequence[Upload],
    is_known: Callable[[str], bool],
    preprocess: Callable[[Image.Image], np.ndarray],
    send: Callable[[list[np.ndarray]], Pixels],
) -> Iterator[tuple[list[Outcome], Pixels | None]]:
    """Outcomes of uploads in order, in batches of `BATCH`; the next batch is made while the caller works on the last.

    Args:
        is_known: whether the photo of a content hash is stored already; such a file is hashed, and not decoded.
        preprocess: the encoder's, to (3, S, S) uint8.
        send: the encoder's, for the new photos of a batch.
    Yields: outcomes, and the pixels of the decoded ones as the encoder takes them; None where there are none.
    """
    seen: set[str] = set()

    def make(start: int) -> tuple[list[Outcome], Pixels | None]:
        outcomes: list[Outcome] = []
        for upload in uploads[start : start + BATCH]:
            outcome = decode_upload(upload, lambda key: key in seen or is_known(key), preprocess)
            if isinstance(outcome, Decoded):
                seen.add(outcome.content_hash)
            outcomes.append(outcome)
        fresh = [outcome.pixels for outcome in outcomes if isinstance(outcome, Decoded)]
        return outcomes, send(fresh) if fresh else None

    return prefetched(make, range(0, len(uploads), BATCH))


def uploads_of(path: Path, name: str) -> list[Upload]:
    """A file on disk under a name: itself, or the photos in it where it is an archive by its name."""
    return archive_uploads(path, name) if is_archive(name) else [file_upload(path, name)]


def folder_uploads(folder: Path) -> list[Upload]:
    """Every file below a folder that may be a picture by its name, sorted; named by the path from the folder on.

    Archives are opened. Hidden files and folders are passed over. Raises: FolderMissing.
    """
    if not folder.is_dir():
        raise FolderMissing(f"{folder} is not a folder; name one that holds photos.")
    paths = sorted(_picture_files(folder), key=lambda path: path.relative_to(folder).parts)
    # A name that is not UTF-8 can be neither stored nor shown.
    names = (os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", "replace") for path in paths)
    return [upload for path, name in zip(paths, names, strict=True) for upload in uploads_of(path, name)]


def decode_upload(
    upload: Upload, is_known: Callable[[str], bool], preprocess: Callable[[Image.Image], np.ndarray]
) -> Outcome:
    """Read, hash and decode one upload; never raises for a bad file. Args: as for `decoded_batches`."""
    try:
        data = upload.read()
        content_hash = hashlib.sha256(data).hexdigest()
        if is_known(content_hash):
            return None
        picture = decode(data, upload.name, KEPT_SIDE)
    except ImageRejected as error:
        return Skipped(upload.name, error.reason)
    except OSError as error:
        return Skipped(upload.name, f"cannot be read ({error.strerror or error})")
    return Decoded(
        name=upload.name,
        content_hash=content_hash,
        width=picture.width,
        height=picture.height,
        file_bytes=len(data),
        pixels=preprocess(picture.rgb),
        jpeg=to_jpeg(picture.rgb),
    )


def _picture_files(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(parent, name) for name in files if not name.startswith(".")):
            if (path.suffix.lower() in PICTURE_SUFFIXES or is_archive(path.name)) and path.is_file():
                yield path
