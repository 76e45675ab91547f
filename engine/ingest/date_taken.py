"""When a photo was taken, as its camera wrote it into the EXIF; where it was taken is never read."""

import re
from contextlib import suppress
from datetime import datetime, timedelta, timezone

from PIL import ExifTags, Image

FIRST_YEAR = 1826  # of the oldest photograph that is left
AHEAD = timedelta(days=1)  # of this machine's clock: a photo may come from a zone where it is tomorrow
FARTHEST_ZONE = timedelta(hours=14)

_DATE = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)", re.ASCII)
_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)", re.ASCII)


def date_taken(picture: Image.Image) -> datetime | None:
    """The date and time on the camera's clock, with its distance from UTC where the EXIF says it.

    None for a picture without a date, or with one that cannot be: a broken EXIF block says nothing.
    """
    try:
        tags = picture.getexif().get_ifd(ExifTags.IFD.Exif)
        said, offset = tags.get(ExifTags.Base.DateTimeOriginal), tags.get(ExifTags.Base.OffsetTimeOriginal)
    except Exception:  # Pillow raises whatever it stumbles over
        return None
    return _possible(_read(said, offset))


def read_date(text: str | None) -> datetime | None:
    """A date as `datetime.isoformat` writes it; None for anything else."""
    with suppress(ValueError):
        return datetime.fromisoformat(text) if text else None
    return None


def _read(said: object, offset: object) -> datetime | None:
    found = _DATE.match(said) if isinstance(said, str) else None
    if found is None:
        return None
    with suppress(ValueError):  # a thirteenth month, or the noughts of a clock that was never set
        year, month, day, hour, minute, second = map(int, found.groups())
        return datetime(year, month, day, hour, minute, second, tzinfo=_zone(offset))
    return None


def _zone(offset: object) -> timezone | None:
    found = _OFFSET.match(offset) if isinstance(offset, str) else None
    if found is None:
        return None
    away = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(-away if found[1] == "-" else away) if away <= FARTHEST_ZONE else None


def _possible(date: datetime | None) -> datetime | None:
    """A date since photography began and not in the future."""
    if date is None:
        return None
    latest = datetime.now(date.tzinfo) + AHEAD
    return date if date.year >= FIRST_YEAR and date <= latest else None
