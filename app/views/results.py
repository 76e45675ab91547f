"""Photos found, and the photos of a gallery when nothing is asked."""

import json
from collections.abc import Mapping, Sequence

from app.pictures import PictureAddress
from app.views.formatting import button, many, saved, score
from app.views.strip import Drawing, strip
from app.views.viewer import about, picture
from engine.gallery import Deepened, Hit, Photo

MOST = 1536  # photos on the page: far more make a browser slow
NO_FIT = '<li class="falls"><span role="status">no photo fits these words well; the nearest come first</span></li>'
NOBODY: Mapping[int, Deepened] = {}
FALLS = '<li class="falls"><span>relevance falls off here; weaker matches from here on</span></li>'


def results(
    hits: Sequence[Hit],
    drawing: Drawing,
    address: PictureAddress,
    standing: int,
    rest: int = 0,
    deepened: Mapping[int, Deepened] = NOBODY,
    current: int | None = None,
) -> str:
    """Photos found, best first.

    Args:
        standing: how many stand out; a line is drawn after them, where they are all on show and others follow. Of none
            it says that none fits.
        rest: photos that follow those on show.
        deepened: photos that got a second look for this query.
        current: the selected one; by default the best.
    """
    if current is None and hits:
        current = hits[0].photo.id

    def one(hit: Hit) -> str:
        numbers = f"<b>{hit.rank}</b><span>score {score(hit.score)}</span>"
        return card(hit.photo, drawing, address, numbers, hit.photo.id == current, deepened.get(hit.photo.id))

    cards = [one(hit) for hit in hits]
    if standing <= len(cards) and standing < len(cards) + rest:
        cards.insert(standing, FALLS if standing else NO_FIT)
    more = _more(len(hits), rest, "say more of what you look for")
    return f'<ol class="grid" aria-label="Results, best first">{"".join(cards)}</ol>{more}'


def shelf(
    photos: Sequence[Photo], drawing: Drawing, address: PictureAddress, rest: int = 0, current: int | None = None
) -> str:
    """A gallery's photos when nothing is asked.

    Args:
        rest: photos that follow those on show.
        current: the selected one.
    """
    cards = "".join(card(photo, drawing, address, current=photo.id == current) for photo in photos)
    more = _more(len(photos), rest, "ask for them in words")
    return f'<ol class="grid" aria-label="Photos of this gallery">{cards}</ol>{more}'


def card(
    photo: Photo,
    drawing: Drawing,
    address: PictureAddress,
    numbers: str = "",
    current: bool = False,
    deepened: Deepened | None = None,
) -> str:
    """A photo as a button, with its strip and what it saved.

    Args: numbers: HTML of its place in a ranking.
    """
    again = mark = ""
    before = None
    if deepened is not None:
        again, mark = " data-again", '<span class="again">second look</span>'
        before = drawing.positions[deepened.from_exit]
    return (  # without a tabindex a click in Safari moves no focus, and arrow keys go nowhere
        f'<li data-photo="{photo.id}"{again}><button type="button" tabindex="0" class="hit" data-event="select" '
        f'data-photo="{photo.id}"{about(photo, address)}{" aria-current=true" if current else ""}>'
        f'<span class="frame">{picture(photo, address)}{mark}</span>{strip(drawing, photo.macs_share, before)}'
        f'<span class="numbers">{numbers}<span class="saved">{saved(photo)}</span></span></button></li>'
    )


def stacks(found: Sequence[Sequence[int]]) -> str:
    """Which photos on show lie in stacks of alike ones, the first of each on top, for the page's script to fold."""
    return f'<div hidden data-stacks="{json.dumps(found)}"></div>' if found else ""


def _more(shown: int, rest: int, otherwise: str) -> str:
    """What comes when the reader has scrolled to the end: as many again; or how to find the others."""
    if rest and shown >= MOST:
        return f'<p class="rest">{many(rest)} are not shown: {otherwise}.</p>'
    return button("more", f"Show {min(shown, rest)} more", ' class="more"') if rest else ""
