"""Photos found, and the photos of a gallery when nothing is asked."""

from collections.abc import Callable, Mapping, Sequence
from html import escape

from app.pictures import Size
from app.strip import Drawing, strip
from app.views.formatting import described, percent, saved
from engine.gallery import Deepened, Hit, Photo, closeness

Address = Callable[[Photo, Size], str]
NOBODY: Mapping[int, Deepened] = {}


def results(
    hits: Sequence[Hit],
    drawing: Drawing,
    address: Address,
    standing: int,
    more: int = 0,
    deepened: Mapping[int, Deepened] = NOBODY,
    current: int | None = None,
) -> str:
    """Photos found, best first.

    Args:
        standing: how many stand out; a line is drawn after them, where they are all on show and others follow.
        more: photos that are folded away behind a button.
        deepened: photos that got a second look for this query.
        current: the selected one; by default the best.
    """
    best = max((hit.score for hit in hits), default=0.0)  # an uncertain photo may rank above it
    if current is None and hits:
        current = hits[0].photo.id

    def one(hit: Hit) -> str:
        similarity, again = _similarity(hit, best), deepened.get(hit.photo.id)
        return card(hit.photo, drawing, address, similarity, hit.photo.id == current, again)

    cards = [one(hit) for hit in hits]
    parts = [f'<ol class="grid" aria-label="Results, best first">{"".join(cards[:standing])}</ol>']
    if standing <= len(cards) and standing < len(cards) + more:
        parts.append('<p class="falls"><span>relevance falls off here</span></p>')
    if cards[standing:]:
        rest = "".join(cards[standing:])
        parts.append(f'<ol class="grid faint" start="{standing + 1}" aria-label="Less alike">{rest}</ol>')
    return "".join([*parts, _more(more)])


def shelf(photos: Sequence[Photo], drawing: Drawing, address: Address, more: int = 0) -> str:
    """A gallery's photos when nothing is asked; `more` of them come when they are asked for."""
    cards = "".join(card(photo, drawing, address) for photo in photos)
    return f'<ol class="grid" aria-label="Photos of this gallery">{cards}</ol>{_more(more)}'


def card(
    photo: Photo,
    drawing: Drawing,
    address: Address,
    similarity: str = "",
    current: bool = False,
    deepened: Deepened | None = None,
) -> str:
    """A photo as a button, with its strip and its three numbers."""
    again = mark = ""
    before = None
    if deepened is not None:
        again, mark = " data-again", '<span class="again">second look</span>'
        before = drawing.positions[deepened.from_exit]
    return (
        f'<li data-photo="{photo.id}"{again}><button type="button" class="hit" data-event="select" '
        f'data-photo="{photo.id}"{" aria-current=true" if current else ""}>'
        f'<span class="frame"><img src="{escape(address(photo, "grid"))}" alt="{escape(described(photo.file))}"'
        f' width="4" height="3" loading="lazy" decoding="async">{mark}</span>{strip(drawing, photo.macs_share, before)}'
        f'<span class="numbers">{similarity}<span>exit {photo.exit}/{photo.exits}</span>'
        f"<span>{saved(photo)}</span></span></button></li>"
    )


def _more(count: int) -> str:
    return f'<button type="button" class="more" data-event="more">Show {count} more</button>' if count else ""


def _similarity(hit: Hit, best: float) -> str:
    share = "best match" if hit.rank == 1 else f"{percent(closeness(hit.score, best))} as close"
    return f"<b>{hit.score:.2f} <small>{share}</small></b>"
