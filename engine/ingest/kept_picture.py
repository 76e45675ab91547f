"""The picture that is kept of a photo: upright, a JPEG without metadata; what the encoder and the page read again."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from engine.ingest.image import longest_side
from engine.ingest.upload import read_file
from engine.utils.errors import EngineError

KEPT_SIDE = 768  # px: the longest side at most, but of a panorama


class PictureGone(EngineError):
    """The kept picture of a photo is gone or damaged."""

    @classmethod
    def of(cls, file: str) -> "PictureGone":
        """Args: file: name of the photo."""
        return cls(f"The kept picture of {file} is gone or damaged; delete the photo and add it again.")


class OriginalGone(EngineError):
    """The file that a photo was indexed from is not there any more, or another one is."""


def to_jpeg(rgb: Image.Image) -> bytes:
    """The file to keep of a picture; metadata comes only from its `info`, which `open_picture` empties."""
    file = io.BytesIO()
    rgb.save(file, "JPEG", quality=90)
    return file.getvalue()


def keep(rgb: Image.Image, preprocess: Callable[[Image.Image], np.ndarray]) -> tuple[bytes, np.ndarray]:
    """The file to keep of a picture, and that as the encoder will see it whenever it looks again, (3, S, S) uint8.

    So what an exit makes of a photo does not depend on when it was run.
    """
    jpeg = to_jpeg(rgb)
    return jpeg, preprocess(open_kept(io.BytesIO(jpeg)))


def open_kept(file: Path | BinaryIO, longest: int | None = None) -> Image.Image:
    """A kept picture, RGB; raises OSError where it is gone or damaged.

    Args: longest: reduce it so that no side is longer than this many pixels; see `longest_side`.
    """
    try:
        with Image.open(file, formats=["JPEG"]) as picture:
            rgb = picture.convert("RGB")
    except Image.DecompressionBombError as error:  # damage may change the size that a header states
        raise OSError(str(error)) from error
    if longest is not None:
        side = longest_side(rgb.size, longest)
        rgb.thumbnail((side, side))
    return rgb


def read_original(source: str, content_hash: str) -> bytes:
    """The file that a photo was indexed from, as it was then; raises OriginalGone.

    Args: source: where it lay on this machine.
    """
    try:
        path = Path(source)
        data = read_file(path) if path.is_file() else b""
    except OSError:
        data = b""
    if hashlib.sha256(data).hexdigest() != content_hash:
        raise OriginalGone(
            "The original has been moved or changed since: index its folder again. The kept picture is still here."
        )
    return data


def kept_pixels(path: Path, preprocess: Callable[[Image.Image], np.ndarray]) -> np.ndarray | None:
    """A kept picture as the encoder takes it, (3, S, S) uint8; None where it is gone or damaged."""
    try:
        return preprocess(open_kept(path))
    except OSError:
        return None
