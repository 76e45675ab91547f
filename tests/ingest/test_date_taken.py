"""The date of a photo is its camera's; what cannot be a date is none, and nothing in EXIF costs the picture."""

import struct
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from engine.ingest.date_taken import read_date
from engine.ingest.image import open_picture
from engine.ingest.sandbox import decode
from tests.pictures import dated, encoded, noise


def taken(said: object, offset: object = None, format: str = "JPEG") -> str | None:
    found = open_picture(encoded(noise(), format, exif=dated(said, offset)), "a").taken_at
    return found.isoformat() if found else None


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_every_format_that_carries_exif_has_a_date(format: str) -> None:
    assert taken("2019:07:14 18:30:05", "+02:00", format) == "2019-07-14T18:30:05+02:00"


@pytest.mark.parametrize(
    ("said", "offset", "date"),
    [
        ("2019:07:14 18:30:05", None, "2019-07-14T18:30:05"),
        ("2019:07:14 18:30:05\0", "-09:30", "2019-07-14T18:30:05-09:30"),
        ("2019-07-14T18:30:05.250", "Z", "2019-07-14T18:30:05"),
        ("2019:07:14 18:30:05", "+99:00", "2019-07-14T18:30:05"),
        ("1962:01:01 00:00:00", None, "1962-01-01T00:00:00"),
        ("0000:00:00 00:00:00", None, None),
        ("    :  :     :  :  ", None, None),
        ("2019:13:14 18:30:05", None, None),
        ("2019:07:14 24:00:00", None, None),
        ("1750:07:14 18:30:05", None, None),
        ("9999:12:31 23:59:59", "-14:00", None),
        ("yesterday", None, None),
        ("2019:07:14 18:30+23", None, None),
        ("2019:07:14 18:30", None, None),
        ("٢٠١٩:07:14 18:30:05", None, None),
        (20190714, None, None),
    ],
)
def test_a_date_is_what_the_camera_wrote_or_none(said: object, offset: object, date: str | None) -> None:
    assert taken(said, offset, "PNG") == date


def test_a_date_in_the_future_is_none_and_tomorrow_may_be_elsewhere() -> None:
    ahead = [datetime.now() + timedelta(hours=hours) for hours in (20, 30)]
    found = [taken(date.strftime("%Y:%m:%d %H:%M:%S")) for date in ahead]
    assert [date is None for date in found] == [False, True]


def entries(*tags: tuple[int, int, int, int]) -> bytes:
    """An EXIF block with one directory: (tag, type, count, value) each."""
    listed = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + listed + b"\0\0\0\0"


HOSTILE: dict[str, Callable[[], bytes]] = {
    "no directory": lambda: b"Exif\0\0II*\0\xff\xff\xff\xff",
    "directory that is its own": lambda: entries((0x8769, 4, 1, 8)),
    "directory past the end": lambda: entries((0x8769, 4, 1, 0xFFFFFFF0)),
    "directory that is a text": lambda: entries((0x8769, 2, 400, 0)),
    "date of four gigabytes": lambda: entries((0x8769, 4, 1, 8), (0x9003, 2, 0xFFFFFFFF, 0)),
    "date that is a fraction": lambda: entries((0x8769, 4, 1, 8), (0x9003, 5, 1, 0)),
    "type that does not exist": lambda: entries((0x8769, 4, 1, 8), (0x9003, 99, 20, 0)),
    "many long values": lambda: entries((0x8769, 4, 1, 8), *[(tag, 7, 60_000, 0) for tag in range(5000)]),
    "noise": lambda: b"Exif\0\0MM\0*\0\0\0\x08" + bytes(range(256)) * 200,
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of what it cannot read
def test_hostile_exif_costs_neither_the_picture_nor_time(name: str) -> None:
    exif, began = HOSTILE[name](), time.monotonic()
    for format in ("JPEG", "PNG") if len(exif) < 65_000 else ("PNG",):
        picture = decode(encoded(noise(), format, exif=exif), "a", 32)
        assert (picture.rgb.size, picture.taken_at) == ((32, 32), None)
    assert time.monotonic() - began < 100


def test_what_is_stored_is_read_again_and_nothing_else() -> None:
    assert read_date("2019-07-14T18:30:05+02:00") == datetime.fromisoformat("2019-07-14T18:30:05+02:00")
    assert [read_date(text) for text in (None, "", "soon")] == [None, None, None]
