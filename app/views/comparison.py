"""The full encoder beside the one that stops early: two rankings, and a measured race."""

from collections.abc import Mapping
from html import escape

from app.strip import Drawing, strip
from app.views.formatting import date, described, macs, many, percent, times
from app.views.notes import note
from app.views.viewer import Address
from engine.gallery import Agreement, Lap, Photo, Race

NO_MOVE = '<span class="move"></span>'


def invitation(photos: int, most: int) -> str:
    """Nothing has been compared yet."""
    some = many(min(photos, most))
    return note(
        "Is it as good as the whole encoder?",
        f"Run {some} of this gallery through both, timed side by side. It is measured here and now, and both rankings "
        "of any query can be compared afterwards.",
    )


def racing(lap: Lap | None, most: int) -> str:
    """A race under way."""
    words = "Warming up both …"
    amount = ""
    if lap is not None:
        words = (
            f"{lap.done} of {lap.total} photos · full encoder {lap.full_per_second:.1f} a second · "
            f"stopping early {lap.early_per_second:.1f} a second"
        )
        amount = f' value="{lap.done}" max="{lap.total}"'
    return (
        '<div class="encoding" role="status"><h2>Racing</h2>'
        f'<progress{amount} aria-label="Photos raced"></progress><p class="numbers">{words}</p>'
        f"<p>Each batch runs both ways in turn; at most {many(most)}.</p></div>"
    )


def race_result(race: Race | None) -> str:
    """The last race, as a number that can be said aloud."""
    if race is None:
        return ""
    slowest = min(race.full_per_second, race.early_per_second)

    def lane(name: str, rate: float) -> str:
        # As long as the time it took: filled is computed, hollow is saved.
        return (
            f'<li><span>{name}</span><i style="--part:{slowest / rate:.3f}"></i>'
            f"<b>{rate:.1f}<small> images/s</small></b></li>"
        )

    faster = times(race.speedup) + " as fast" if race.speedup >= 1 else f"{percent(race.speedup)} of the speed"
    return (
        f'<figure class="race"><figcaption><h2><b>{faster}</b> measured</h2></figcaption><ol>'
        f"{lane('Stopping early', race.early_per_second)}{lane('Full encoder', race.full_per_second)}"
        f"</ol><p>{date(race.at)} on this machine · the same {many(race.photos)}, one run, interleaved, decoding left "
        f"out on both sides · budget {percent(race.budget)}, {percent(race.macs_share)} of the MACs ran</p></figure>"
    )


def sides(
    query: str,
    found: Agreement,
    photos: Mapping[int, Photo],
    drawing: Drawing,
    address: Address,
    compared: int,
    spent: int,
) -> str:
    """Both rankings of a query side by side.

    Args:
        compared: photos in both rankings.
        spent: MACs that their full-depth embeddings cost once.
    """
    on = set(found.full)
    ours = "".join(
        _row(photos[id], drawing, address, rank, _move(move), id in on, early=True)
        for rank, (id, move) in enumerate(zip(found.shown, found.moves, strict=True), start=1)
        if id in photos
    )
    theirs = "".join(
        _row(photos[id], drawing, address, rank, "", id in set(found.shown), early=False)
        for rank, id in enumerate(found.full, start=1)
        if id in photos
    )
    first = "the same photo first" if found.same_first else "another photo first"
    return (
        f'<div class="duel"><h2>“{escape(query)}”: <b>{found.shared} of {len(found.full)}</b> the same, {first}</h2>'
        f'<div class="sides"><section><h3>Stopping early</h3><ol>{ours}</ol></section>'
        f"<section><h3>Full encoder</h3><ol>{theirs}</ol></section></div>"
        f'<p class="aside">Over the {many(compared)} that raced. Their full-depth embeddings cost '
        f"{macs(spent)} for this comparison; the gallery’s own account leaves that out, and its index never saw "
        "them.</p></div>"
    )


def _row(photo: Photo, drawing: Drawing, address: Address, rank: int, move: str, shared: bool, early: bool) -> str:
    bar = strip(drawing, photo.macs_share if early else 1.0)
    lone = "" if shared else ' class="lone"'
    return (
        f'<li{lone}><span class="rank">{rank}</span><img src="{escape(address(photo, "grid"))}" width="4" height="3"'
        f' alt="{escape(described(photo.file))}" loading="lazy" decoding="async">'
        f'<span class="what">{bar}<small>{escape(photo.file)}</small></span>{move or NO_MOVE}</li>'
    )


def _move(move: int | None) -> str:
    if move is None:
        return '<span class="move">not there</span>'
    if not move:
        return '<span class="move same" aria-label="same rank">=</span>'
    return f'<span class="move">{"▲" if move > 0 else "▼"} {abs(move)}</span>'
