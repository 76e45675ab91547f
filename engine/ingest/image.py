"""Decodes the untrusted bytes of a picture: an upright RGB picture, or the reason why not."""

import io
import math
import re
import struct
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError, features

from engine.ingest import heif
from engine.ingest.date_taken import date_taken
from engine.utils.errors import EngineError

MAX_BYTES = 50 * 2**20
MAX_PIXELS = 64_000_000
MAX_SCANS = 100  # a progressive JPEG has about ten; each is a pass over all its pixels
MAX_NAME = 200
PANORAMA = 3.0  # times as wide as high, or as high as wide, from which a picture is one
LONGER = 4.0

# The formats that photos come in. Pillow reads many more, and each is code for an attacker to try.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", *(("AVIF",) if features.check("avif") else ()))

_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG", "PNG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
)
_NOT_PICTURES = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x1f\x8b", "a gzip archive"),
)
# Where a header says width and height: Pillow refuses a picture of no size, or of far too much, without naming it.
_SIZES = ((b"\x89PNG", ">II", 16), (b"GIF8", "<HH", 6), (b"BM", "<ii", 18))
_OS2 = b"\x0c\0\0\0"  # bytes 14 to 17 of a BMP as OS/2 wrote them: its sizes are shorter

# Markers of a JPEG. Reserved ones below the first segment, eight restarts and the start of the image have no length.
_MARKER = re.compile(rb"\xff([^\x00\xff])")
_FIRST_SEGMENT, _RESTART, _END_OF_IMAGE, _START_OF_SCAN = 0xC0, 0xD0, 0xD9, 0xDA

# By EXIF orientation.
_UNDO = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)

# Colours from all over the cube, six steps a channel, to see what a colour profile would make of them.
_SAMPLES = np.indices((6, 6, 6)).T.reshape(36, 6, 3).astype(np.uint8) * 51


class ImageRejected(EngineError):
    """A file that cannot be used as a picture, and why."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)  # what another process makes it from again
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.name} was left out: {self.reason}."


class NeedsMemory(Exception):
    """A picture of more pixels than may be decoded beside others."""


@dataclass(frozen=True)
class Picture:
    """A picture as a person should see it, and the size that its file declares."""

    rgb: Image.Image  # without metadata
    width: int
    height: int
    taken_at: datetime | None  # on the camera's clock


def longest_side(size: tuple[int, int], usual: int) -> int:
    """What the longest side of a picture is reduced to, px; the short side of a panorama would be too few pixels else.

    Args: size: (width, height), px.  usual: of other pictures, px; of a panorama it is up to LONGER times as much.
    """
    return round(usual * min(max(max(size) / max(min(size), 1) / PANORAMA, 1.0), LONGER))


def open_picture(data: bytes, name: str, longest: int | None = None, most: int | None = None) -> Picture:
    """Decode a picture: upright, RGB, transparency on white, an animation's first frame.

    Args:
        longest: reduce it so that no side is longer than this many pixels (see `longest_side`); decoding is faster.
        most: pixels that may be decoded.
    Raises: ImageRejected, NeedsMemory.
    """
    if most is not None and math.prod(_declared_size(data)) > most:  # to open a WebP takes memory for all of it
        raise NeedsMemory
    picture = _open(data, name)
    width, height = picture.size
    if most is not None and heif.is_heif(data):
        most //= heif.MEMORY
    if longest is not None:
        longest = longest_side(picture.size, longest)
    try:
        if longest is not None:
            picture.draft(None, (longest, longest))  # JPEG only: decoded at a half, a quarter or an eighth
        if most is not None and picture.width * picture.height > most:
            raise NeedsMemory
        picture.load()
        rgb = _to_rgb(picture)
    except (MemoryError, NeedsMemory):
        raise
    except Exception as error:  # decoders raise whatever they stumble over
        cut = "truncated" in str(error).lower()
        raise ImageRejected(name, "cut short" if cut else "damaged, or of an unusual kind") from error
    if longest is not None:
        rgb.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    if picture.mode != "CMYK":
        rgb = _in_srgb(rgb, picture.info.get("icc_profile"))
    rgb.info.clear()  # comments and profiles would be saved along with it
    orientation = _orientation(picture)
    if orientation in _UNDO:
        rgb = rgb.transpose(_UNDO[orientation])
    if orientation in _SIDEWAYS:
        width, height = height, width
    return Picture(rgb, width, height, date_taken(picture))


def clean_name(name: str) -> str:
    """A file name that is safe to show: no folders, no control or text-direction characters, at most 200 characters."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    # Category C: controls, direction marks, lone surrogates; Zl and Zp: separators that break a line.
    shown = "".join(
        c for c in last if unicodedata.category(c)[0] != "C" and unicodedata.category(c) not in ("Zl", "Zp")
    )
    return _shortened(shown.strip()) or "unnamed"


def clean_path(name: str) -> str:
    """A path that is safe to show, within an archive for example: clean names with slashes between, no way upwards."""
    parts = name.replace("\\", "/").split("/")
    return _shortened("/".join(clean_name(part) for part in parts if part.strip() not in ("", ".", ".."))) or "unnamed"


def _shortened(name: str) -> str:
    """A long name without its middle: its ending says what it is."""
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 21]}…{name[-20:]}"


def _open(data: bytes, name: str) -> Image.Image:
    """The picture with its header read and its declared size checked, its pixels not yet decoded."""
    if not data:
        raise ImageRejected(name, "empty file")
    if len(data) > MAX_BYTES:
        raise ImageRejected(name, f"too large: over {MAX_BYTES >> 20} MB")
    _check_size(name, *_declared_size(data))
    if data.startswith(b"\xff\xd8") and _has_many_scans(data):
        raise ImageRejected(name, f"a JPEG of over {MAX_SCANS} scans, each of which goes over the whole picture")
    try:
        picture = heif.open_heif(data) if heif.is_heif(data) else Image.open(io.BytesIO(data), formats=FORMATS)
    except ImportError as error:
        raise ImageRejected(name, heif.MISSING) from error
    except UnidentifiedImageError as error:
        raise ImageRejected(name, _what_it_is(data)) from error
    except Image.DecompressionBombError as error:
        raise ImageRejected(name, f"too large: far over {MAX_PIXELS // 10**6} megapixels") from error
    except MemoryError:
        raise
    except Exception as error:
        raise ImageRejected(name, "cut short or damaged: its header cannot be read") from error
    _check_size(name, *picture.size)
    return picture


def _has_many_scans(jpeg: bytes) -> bool:
    """Whether a JPEG has over MAX_SCANS scans, what follows its end (a film, a second picture) not counted.

    Finds markers as libjpeg does, or a scan could be hidden from it: a segment is skipped by its declared length, and
    what is no marker of a segment is passed over.
    """
    if jpeg.count(b"\xff\xda") <= MAX_SCANS:  # as a rule, and fast
        return False
    scans, at = 0, 0
    while (found := _MARKER.search(jpeg, at)) is not None:
        marker, at = found[1][0], found.end()
        if marker == _END_OF_IMAGE:
            return False
        if marker < _FIRST_SEGMENT or _RESTART <= marker < _END_OF_IMAGE:
            continue
        scans += marker == _START_OF_SCAN
        if scans > MAX_SCANS:
            return True
        at += max(2, int.from_bytes(jpeg[at : at + 2], "big"))
    return False


def _declared_size(data: bytes) -> tuple[int, int]:
    """What the header of a PNG, GIF, BMP or WebP says; (1, 1) where it does not say, or for another format."""
    if data.startswith(b"BM") and data[14:18] == _OS2:
        return 1, 1
    for signature, layout, offset in _SIZES:
        if data.startswith(signature) and len(data) >= offset + struct.calcsize(layout):
            width, height = struct.unpack_from(layout, data, offset)
            return width, abs(height)  # a BMP stored from the top down has a negative one
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP" and len(data) >= 30:
        return _declared_by_webp(data)
    return 1, 1


def _declared_by_webp(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":  # extended: 24 bits each, less one
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8L":  # lossless: 14 bits each, less one
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":  # lossy: 14 bits each
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return 1, 1


def _check_size(name: str, width: int, height: int) -> None:
    if not width or not height:
        raise ImageRejected(name, f"no pixels: it is {width} x {height}")
    if width * height > MAX_PIXELS:
        raise ImageRejected(name, f"too large: {width} x {height} pixels (limit {MAX_PIXELS // 10**6} megapixels)")


def _what_it_is(data: bytes) -> str:
    """Why no decoder took these bytes."""
    for signature, format in _SIGNATURES:
        if data.startswith(signature):
            return f"cut short or damaged: its {format} header cannot be read"
    for signature, what in _NOT_PICTURES:
        if data.startswith(signature):
            return f"not a picture (it is {what})"
    if data[4:8] == b"ftyp":
        return "a film, or a kind of picture that cannot be read here; save it as JPEG"
    head = data[:1024]
    if b"<svg" in head:
        return "a drawing (SVG), not a photo"
    if b"\0" not in head and _is_text(head):
        return "not a picture (it is text)"
    return "not a picture"


def _is_text(head: bytes) -> bool:
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4  # only a character cut in two at the end
    return True


def _orientation(loaded: Image.Image) -> int:
    """The EXIF orientation that is still to be undone: Pillow undoes a TIFF's itself, and says 1 afterwards."""
    try:
        return loaded.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # a broken EXIF block says nothing about the pixels
        return 1


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I;16"):
        return _grey(np.asarray(picture) >> 8)
    if picture.mode in ("I", "F"):
        # No range is declared for these: show what is there.
        values = np.nan_to_num(np.asarray(picture, dtype=np.float32), posinf=0, neginf=0)
        values /= 2  # the difference of two very large numbers is still a number
        low, high = values.min(), values.max()
        values -= low
        return _grey((values * (255 / max(high - low, np.float32(1e-9)))).round())
    if picture.mode == "CMYK":  # inks are not the plain complement of light
        return _by_profile(picture, picture.info.get("icc_profile")) or picture.convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return picture.convert("RGB")


def _grey(values: np.ndarray) -> Image.Image:
    return Image.fromarray(values.astype(np.uint8)).convert("RGB")


def _in_srgb(rgb: Image.Image, profile: bytes | None) -> Image.Image:
    """An RGB picture in the colours of screens; those of phones and cameras may reach further, by its profile."""
    # What says sRGB leaves the pixels as they are, to the last digit.
    shown = _by_profile(Image.fromarray(_SAMPLES), profile)
    if shown is None or np.abs(np.asarray(shown, np.int16) - _SAMPLES).max() <= 3:
        return rgb
    return _by_profile(rgb, profile) or rgb


def _by_profile(picture: Image.Image, profile: bytes | None) -> Image.Image | None:
    """A picture in sRGB by a colour profile; None where there is none, a bad one, or one of other colours."""
    if not profile:
        return None
    with suppress(ImageCms.PyCMSError, OSError, ValueError):
        own, screen = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(picture, own, screen, outputMode="RGB")
    return None
