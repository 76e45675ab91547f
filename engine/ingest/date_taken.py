"""When a photo was taken, as its camera wrote it into the EXIF; where it was taken is never read."""

from contextlib import suppress
from datetime import datetime, timedelta

from PIL import ExifTags, Image

FIRST_YEAR = 1826  # of the oldest photograph that is left
AHEAD = timedelta(days=1)  # of this machine's clock: a photo may come from a zone where it is tomorrow
FARTHEST_ZONE = timedelta(hours=14)


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
    """What a camera wrote, its zone left out where that cannot be."""
    date, time = (said[:10].replace(":", "-"), said[11:19]) if isinstance(said, str) else ("", "")
    plain = read_date(f"{date} {time}")  # not a thirteenth month, nor the noughts of a clock that was never set
    if plain is None or plain.tzinfo is not None or len(time) < 8:
        return None
    # Six characters are a zone, as +02:00; cameras end it by zero bytes.
    zoned = read_date(f"{date} {time}{offset:6.6}") if isinstance(offset, str) else None
    away = zoned.utcoffset() if zoned else None
    return zoned if away is not None and abs(away) <= FARTHEST_ZONE else plain


def _possible(date: datetime | None) -> datetime | None:
    """A date since photography began and not in the future."""
    if date is None:
        return None
    latest = datetime.now(date.tzinfo) + AHEAD
    return date if date.year >= FIRST_YEAR and date <= latest else None
