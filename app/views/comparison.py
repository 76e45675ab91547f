"""The full encoder beside the one that stops early: two rankings, and a measured race."""

from collections.abc import Mapping
from html import escape

from app.fidelity import ShownFidelity
from app.pictures import PictureAddress
from app.views.encoding import progress_bar
from app.views.formatting import button, macs, many, out_of
from app.views.placeholders import note
from app.views.race import dots, fairness, faster, lanes, where
from app.views.strip import Drawing, strip
from app.views.viewer import picture
from engine.gallery import MOST_RACED, UNDATED, Agreement, Lap, Measured, Photo


def invitation(photos: int) -> str:
    """Nothing has been compared yet."""
    some = many(min(photos, MOST_RACED))
    return note(
        "Is it as good as the full encoder?",
        f"Run {some} of this gallery through both, timed side by side. It is measured here and now, and both rankings "
        "of any query can be compared afterwards.",
    )


def racing(lap: Lap | None) -> str:
    """A race under way."""
    words = "Warming up both …"
    if lap is not None:
        words = (
            f"{out_of(lap.done, lap.total)} photos · full encoder {lap.full_per_second:.1f} a second · "
            f"stopping early {lap.early_per_second:.1f} a second"
        )
    return progress_bar("Racing", words, lap, f"Each batch runs both ways in turn; at most {many(MOST_RACED)}.")


def race_result(measured: Measured, fidelity: ShownFidelity) -> str:
    """A race as a number that can be said aloud, played again in the time that it took, and fidelity beside it."""
    race = measured.race
    first = f"{fidelity.first}. " if fidelity.first else ""
    shared = f"{fidelity.shared:.1f} of 10"
    return (
        '<div class="measured"><figure class="race"><figcaption>'
        f'<h2><span role="status"><b>{faster(race)}</b> measured</span></h2></figcaption>{lanes(race)}'
        f"<p>{where(measured)} · {fairness(race)}</p>"
        f"<p>{button('replay', 'Play it again in true time')}</p></figure>"
        f'<figure class="race"><figcaption><h2><b>{shared}</b> best matches are the full encoder’s, too</h2>'
        f"</figcaption>{dots(fidelity.shared, shared)}<p>{first}{fidelity.source}. A second look is not part of it.</p>"
        "</figure></div>"
    )


def compared(photos: int, year: int | None) -> str:
    """Which photos are in both rankings.  Args: year: that they were taken in, or UNDATED; None: whenever."""
    taken = "" if year is None else f" taken in {year}" if year != UNDATED else " without a date"
    return f"{many(photos)}{taken}"


def sides(
    query: str,
    found: Agreement,
    photos: Mapping[int, Photo],
    drawing: Drawing,
    address: PictureAddress,
    among: str,
    spent: int,
) -> str:
    """Both rankings of a query side by side, a rank a row.

    Args:
        photos: by id; those that were deleted meanwhile are not there.
        among: which photos are in both rankings (`compared`).
        spent: MACs that their full-depth embeddings cost once.
    """
    rows = []
    for rank, (early, move, full) in enumerate(zip(found.shown, found.moves, found.full, strict=True), start=1):
        left = _cell(photos.get(early), drawing, address, early in found.full, early=True)
        right = _cell(photos.get(full), drawing, address, full in found.shown, early=False)
        rows.append(
            f'<tr><th scope="row">{rank}</th><td>{left}</td><td class="move">{_move(move)}</td><td>{right}</td></tr>'
        )
    first = "the same photo first" if found.same_first else "another photo first"
    return (
        f'<div class="duel"><h2>“{escape(query)}”: <b>{found.shared} of {len(found.full)}</b> the same, {first}</h2>'
        '<p class="legend">Between the lists: where the full encoder puts the photo on the left. ▲ 2 is two places '
        "higher, ▼ 2 two lower, = the same, “out” is not among its first. A dashed frame marks what one list alone has."
        '</p><table class="sides"><thead><tr><th><span class="unseen">Rank</span></th>'
        '<th scope="col">Stopping early</th><th scope="col"><span class="unseen">Where the full encoder puts it</span>'
        '</th><th scope="col">Full encoder</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
        f'<p class="aside">Over {among}. Their full-depth embeddings cost {macs(spent)} for this '
        "comparison; the gallery’s own account leaves that out, and its index never saw them.</p></div>"
    )


def _cell(photo: Photo | None, drawing: Drawing, address: PictureAddress, shared: bool, early: bool) -> str:
    if photo is None:
        return ""
    bar = strip(drawing, photo.macs_share if early else 1.0)
    return (
        f'<div class="side{"" if shared else " lone"}">{picture(photo, address)}'
        f'<span class="what">{bar}<small>{escape(photo.file)}</small></span></div>'
    )


def _move(move: int | None) -> str:
    if move is None:
        return '<span title="not among the full encoder’s first">out</span>'
    if not move:
        return '<span class="same" title="the same place">=</span>'
    arrow, where = ("▲", "higher") if move > 0 else ("▼", "lower")
    places = "place" if abs(move) == 1 else "places"
    return f'<span title="{abs(move)} {places} {where}">{arrow}\u00a0{abs(move)}</span>'
