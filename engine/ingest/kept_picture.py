"""The picture that is kept of a photo: upright, a JPEG without metadata; what the encoder and the page read again."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

KEPT_SIDE = 768  # px: the longest side at most


def to_jpeg(rgb: Image.Image) -> bytes:
    """The file to keep of a picture; metadata comes only from its `info`, which `open_picture` empties."""
    file = io.BytesIO()
    rgb.save(file, "JPEG", quality=90)
    return file.getvalue()


def open_kept(path: Path, longest: int | None = None) -> Image.Image:
    """A kept picture, RGB; raises OSError where it is gone or damaged.

    Args: longest: reduce it so that no side is longer than this many pixels.
    """
    with Image.open(path, formats=["JPEG"]) as picture:
        rgb = picture.convert("RGB")
    if longest is not None:
        rgb.thumbnail((longest, longest))
    return rgb


def kept_pixels(path: Path, preprocess: Callable[[Image.Image], np.ndarray]) -> np.ndarray | None:
    """A kept picture as the encoder takes it, (3, S, S) uint8; None where it is gone or damaged.

    Args: preprocess: the encoder's.
    """
    try:
        return preprocess(open_kept(path))
    except OSError:
        return None
