"""Numbers and names as people read them."""

import base64
import secrets
import time
import unicodedata
from html import escape
from pathlib import PurePath

from engine.gallery import Photo


def anew() -> str:
    """An attribute that no answer had before: Gradio draws a part, and calls its scripts, only if its HTML changed."""
    return f' data-anew="{secrets.token_hex(4)}"'


def inline(media: str, data: bytes) -> str:
    """An address that holds the file itself: it is kept nowhere."""
    return f"data:{media};base64,{base64.b64encode(data).decode()}"


def button(event: str, words: str, attributes: str = "", **sent: object) -> str:
    """A button that the page's script acts on, or tells Python of.

    Args: words: HTML.  sent: what is told along with the event.
    """
    data = "".join(f' data-{name}="{escape(str(value))}"' for name, value in sent.items())
    return f'<button type="button" data-event="{event}"{data}{attributes}>{words}</button>'


def percent(share: float) -> str:
    """A share in whole percent."""
    return f"{share * 100:.0f}\N{NO-BREAK SPACE}%"


def score(value: float) -> str:
    """What photos rank by: 100 would be a perfect fit, which what full depth is expected to say may lie above."""
    return str(round(min(value, 1.0) * 100)).replace("-", "\N{MINUS SIGN}")


def saved(photo: Photo) -> str:
    """What a photo spared the encoder, in words."""
    return f"{percent(max(0.0, 1 - photo.macs_share))} saved"


def macs(amount: float, of: float | None = None) -> str:
    """Work in the unit that fits it, or that fits what it is a part of."""
    largest = amount if of is None else of
    for unit, size in (("TMACs", 10**12), ("GMACs", 10**9), ("MMACs", 10**6), ("kMACs", 10**3)):
        if largest >= size:
            digits = 2 if largest < 10 * size else 1 if largest < 100 * size else 0
            part = f" of {of / size:.{digits}f}" if of is not None else ""
            return f"{amount / size:.{digits}f}{part} {unit}"
    return f"{amount:.0f} of {of:.0f} MACs" if of is not None else f"{amount:.0f} MACs"


def duration(seconds: float) -> str:
    """A time to wait, roughly."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def date(at: float) -> str:
    """A day and its time, in the server's zone: 25 Nov 2026, 14:05."""
    when = time.localtime(at)
    return f"{when.tm_mday} {time.strftime('%b %Y, %H:%M', when)}"


def taken(photo: Photo) -> str:
    """When a photo was taken, on the camera's clock; empty where that is not known."""
    when = photo.taken_at
    return f"taken {when.day} {when:%b %Y, %H:%M}" if when is not None else ""


def day(at: float) -> str:
    """A day, in the server's zone: 25 Nov 2026."""
    return date(at).partition(",")[0]


def isolated(name: str) -> str:
    """A name as it stands in a sentence; one that is written from the right leaves the order of the words around it."""
    from_right = any(unicodedata.bidirectional(sign) in ("R", "AL") for sign in name)
    return f"\u2068{name}\u2069" if from_right else name


def described(file: str) -> str:
    """A file name as words, for those who cannot see the photo."""
    words = PurePath(file).stem.replace("-", " ").replace("_", " ").strip()
    return f"Photo: {isolated(words or file)}"


def photos_word(count: int) -> str:
    """Singular or plural."""
    return "photo" if count == 1 else "photos"


def grouped(count: int) -> str:
    """A whole number, its thousands apart."""
    return f"{count:,}".replace(",", "\u202f")


def out_of(done: int, total: int) -> str:
    """How far something is."""
    return f"{grouped(done)} of {grouped(total)}"


def many(count: int) -> str:
    """A number of photos."""
    return f"{grouped(count)} {photos_word(count)}"


def waiting(count: int) -> str:
    """Photos that nobody finds before they are encoded."""
    return f"{many(count)} {'waits' if count == 1 else 'wait'} to be encoded"


def times(factor: float) -> str:
    """How many times faster."""
    return f"{factor:.1f}×" if factor < 10 else f"{factor:.0f}×"


def in_line(place: int) -> str:
    """Where somebody stands who waits for others; 1 is the next."""
    return f"Others are being served; you are {'next' if place == 1 else f'number {place} in line'}."
