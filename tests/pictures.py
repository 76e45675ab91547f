"""The bytes of good and of bad pictures."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import ExifTags, Image

from engine.gallery import Upload

# What the fixtures `png`, `upload`, `fill` and `meanwhile` give.
MakePng = Callable[..., bytes]
MakeUpload = Callable[..., Upload]
Fill = Callable[..., int]
Meanwhile = Callable[[object, str, Callable[[], object]], None]


def encoded(picture: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def noise(size: tuple[int, int] = (64, 64)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8))


def left_red_right_blue() -> Image.Image:
    picture = Image.new("RGB", (40, 20), "red")
    picture.paste("blue", (20, 0, 40, 20))
    return picture


def png_declaring(width: int, height: int) -> bytes:
    """A PNG with that size in its header and next to nothing behind it."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = b"IDAT" + zlib.compress(b"\0" * 64)
    chunks = (header, body, b"IEND")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )


def dated(taken: object = None, offset: object = None, orientation: int = 1) -> Image.Exif:
    """An EXIF block of a camera that writes the date, its zone, the way it was held, and the place."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Orientation] = "Camera", orientation
    within = exif.get_ifd(ExifTags.IFD.Exif)
    if taken is not None:
        within[ExifTags.Base.DateTimeOriginal] = taken
    if offset is not None:
        within[ExifTags.Base.OffsetTimeOriginal] = offset
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    read = Image.Exif()  # as it is in a file: some formats write directories within directories only then
    read.load(exif.tobytes())
    return read


def heic(picture: Image.Image, **options: object) -> bytes:
    """A HEIC, for tests that have pillow-heif; it is made as fast as its encoder can."""
    pillow_heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    pillow_heif.from_pillow(picture).save(file, **{"enc_params": {"preset": "ultrafast"}, **options})
    return file.getvalue()


FILM = (
    struct.pack(">I4s4sI4s", 20, b"ftyp", b"mp42", 0, b"isom")
    + struct.pack(">I4s", 4008, b"mdat")
    + b"\xff\xda\0\x08" * 1000
)


def with_a_false_size(jpeg: bytes) -> bytes:
    """A JPEG whose header states 65,000 x 65,000 pixels."""
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + b"\xfd\xe8" * 2 + jpeg[at + 4 :]
