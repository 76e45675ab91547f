"""Files that nobody would have thought of, at the doors for pictures and for archives: a result or a reason, soon."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from PIL import Image

from engine.ingest.archives import archive_uploads
from engine.ingest.image import FORMATS, ImageRejected, Picture, open_picture
from engine.ingest.kept_picture import to_jpeg
from engine.ingest.sandbox import decode
from tests import zip_files
from tests.pictures import FILM, dated, encoded, heic, noise
from tests.stress.results import keep, whole_numbers

SLOW = 10.0  # seconds that a case may take at most


def _pictures() -> list[bytes]:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"
    small = noise((24, 16))
    found = [encoded(small, format) for format in FORMATS]
    found += [encoded(small, "JPEG", exif=exif, progressive=True), encoded(small.convert("CMYK"), "JPEG")]
    found += [encoded(small.convert("P"), "PNG", exif=exif), encoded(small.convert("RGBA"), "WEBP")]
    found += [encoded(small, "TIFF", compression=packing) for packing in ("tiff_lzw", "tiff_deflate", "jpeg")]
    found += [encoded(Image.fromarray(np.zeros((4, 4), np.uint16)), "PNG"), encoded(small.convert("F"), "TIFF")]
    found += [encoded(small, "GIF", save_all=True, append_images=[small] * 3)]
    return found


def _archives() -> list[tuple[str, bytes]]:
    members = {"a.jpg": encoded(noise((8, 8)), "JPEG"), "../b.png": b"b" * 900, "d/c.gif": b"", "n.txt": b"no"}
    found = [("a.zip", zip_files.zipped(members)), ("a.zip", zip_files.zipped(members, 0))]
    found += [("a.zip", zip_files.overlapping(5, 1000)), ("a.zip", zip_files.zipped_as("l.jpg", zip_files.LINK))]
    return found


def _boxed() -> list[bytes]:
    """Pictures in the boxes of films; their decoders are tried where they run: in a process apart."""
    small, exif = noise((48, 40)), dated("2019:07:14 18:30:05", "+02:00", orientation=6)
    found = [heic(small), heic(small, exif=exif.tobytes()), heic(small.convert("RGBA")), heic(small) + FILM]
    found += [encoded(small, "AVIF", exif=exif), encoded(small.convert("RGBA"), "AVIF")]
    found += [encoded(small, "AVIF", save_all=True, append_images=[small.rotate(180)])]
    return found


PICTURES, ARCHIVES, BOXED = _pictures(), _archives(), _boxed()
NUMBERS = (b"\0", b"\xff", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\1\0\0\0")


@st.composite
def mutated(draw: st.DrawFn, whole: bytes) -> bytes:
    """A file with a few things in it changed: bytes, numbers, order, length."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 6))):
        at, many = draw(st.integers(0, len(data))), draw(st.integers(1, 64))
        what = draw(st.integers(0, 5))
        if what == 0:
            data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
        elif what == 1:
            number = draw(st.sampled_from(NUMBERS))
            data[at : at + len(number)] = number
        elif what == 2:
            del data[at : at + many]
        elif what == 3:
            data[at:at] = draw(st.binary(max_size=64))
        elif what == 4:
            other = draw(st.integers(0, len(data)))
            data[at:at] = data[other : other + many]
        else:
            data = data[: max(at, 1)]
    return bytes(data)


hostile_pictures = st.one_of(st.sampled_from(PICTURES).flatmap(mutated), st.binary(max_size=200))
hostile_boxes = st.sampled_from(BOXED).flatmap(mutated)
hostile_archives = st.sampled_from(ARCHIVES).flatmap(
    lambda named: st.tuples(st.just(named[0]), st.one_of(mutated(named[1]), st.binary(max_size=600)))
)


def look_at_picture(data: bytes) -> bool:
    """A picture without metadata, or a reason; returns which."""
    return _ends(open_picture, data)


def look_into_boxes(data: bytes) -> bool:
    """The same of a picture that is decoded in a process apart."""
    return _ends(decode, data)


def _ends(read: Callable[[bytes, str, int | None], Picture], data: bytes) -> bool:
    try:
        picture = read(data, "a", 64)
    except ImageRejected as error:
        _is_sentence(error)
        return False
    assert picture.rgb.mode == "RGB"
    assert max(picture.rgb.size) <= 64
    assert b"Exif" not in to_jpeg(picture.rgb)
    return True


def _is_sentence(error: ImageRejected) -> None:
    assert error.reason
    assert "\n" not in error.reason


def look_at_archive(folder: Path, name: str, data: bytes) -> bool:
    """Uploads with bytes or a reason each; returns whether there were bytes."""
    (folder / name).write_bytes(data)
    uploads = archive_uploads(folder / name, name)
    assert uploads
    read = 0
    for upload in uploads:
        assert ".." not in upload.name.split("/")
        try:
            upload.read()
            read += 1
        except ImageRejected as error:
            _is_sentence(error)
    assert [path.name for path in folder.iterdir()] == [name]
    (folder / name).unlink()
    return read > 0


def run(cases: int, start: int = 0) -> list[dict[str, object]]:
    """So many cases at each door; raises what a case raises. Returns a row for each door."""
    decode(BOXED[0], "a")  # its process stays, and with it two file descriptors
    with TemporaryDirectory() as name:
        doors: list[tuple[str, st.SearchStrategy[Any], Callable[..., bool]]] = [
            ("pictures", hostile_pictures, look_at_picture),
            ("HEIC and AVIF", hostile_boxes, look_into_boxes),
            ("archives", hostile_archives, lambda case: look_at_archive(Path(name), *case)),
        ]
        return [_through(door, strategy, look, cases, start) for door, strategy, look in doors]


def _through(
    door: str, strategy: st.SearchStrategy[Any], look: Callable[..., bool], cases: int, start: int
) -> dict[str, object]:
    seconds: list[float] = []
    good = 0
    before = len(os.listdir("/proc/self/fd"))

    @seed(start)
    @settings(max_examples=cases, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def fuzzed(case: object) -> None:
        nonlocal good
        began = time.monotonic()
        good += look(case)
        seconds.append(time.monotonic() - began)
        assert seconds[-1] < SLOW, "a case took too long"

    fuzzed()
    left = len(os.listdir("/proc/self/fd")) - before
    assert left <= 0, f"{left} file descriptors were left open"
    return {
        "door": door,
        "cases": len(seconds),
        "read in spite of it": good,
        "slowest, ms": round(max(seconds) * 1000),
        "file descriptors left": max(left, 0),
    }


if __name__ == "__main__":
    asked = whole_numbers(__doc__, cases=10_000, seed=0)
    keep(
        "fuzz",
        "Hostile files",
        "Good pictures and archives, mutated by a property-based fuzzer. Each case ends in a picture without metadata, "
        "or in the bytes of members, or in a reason, within ten seconds; no other exception, no other file touched.",
        run(asked.cases, asked.seed),
    )
