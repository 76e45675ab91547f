"""A gallery as a whole: where its photos leave, what that saved, and the model's curve of quality against compute."""

from collections.abc import Mapping, Sequence
from html import escape

from app.curve import Curve
from app.pictures import PictureAddress
from app.views.formatting import button, grouped, macs, many, percent, times, waiting
from app.views.placeholders import note
from app.views.race import beside, where
from app.views.strip import Drawing, marks, survival
from app.views.viewer import picture
from engine.gallery import GallerySummary, Measured, Photo

STEP = 5  # % of recall between two rules of the curve


def figures(summary: GallerySummary, measured: Measured | None) -> str:
    """The three figures of a gallery: what indexing saved, what searches and albums ran on top, and the speed-up."""
    if summary.waiting and not summary.photos:
        return note(waiting(summary.waiting), "Once they are, this shows how deep each of them had to go.")
    if not summary.photos:
        return note("An empty gallery", "Add photos, and this shows how deep each of them had to go.")
    ran, searches = macs(summary.macs_index, summary.macs_in_full), summary.macs_queries + summary.macs_pictures
    encodings = searches * summary.photos / summary.macs_in_full
    speed = "<dt>speed</dt><dd><small>not measured yet for this gallery: Compare measures it</small></dd>"
    if measured is not None:
        said = f"the last race ran {percent(measured.race.macs_share)} of the compute: Compare shows it"
        speed = f"<dt>speed</dt><dd><small>{said}</small></dd>"
    if fair := beside(measured, summary):
        speed = f"<dt>speed, measured</dt><dd>{times(fair.race.speedup)}<small>{where(fair)}</small></dd>"
    return (
        '<dl class="figures"><div><dt>compute saved</dt>'
        f"<dd>{percent(summary.saved_share)}<small>indexing ran {ran}</small></dd></div>"
        f"<div><dt>searches and albums, on top</dt><dd>{encodings:.1f}<small>full encodings</small></dd></div>"
        f"<div>{speed}</div></dl>"
    )


def histogram(
    summary: GallerySummary, drawing: Drawing, typical: Mapping[int, Sequence[Photo]], address: PictureAddress
) -> str:
    """Where a gallery's photos leave: the filled area was computed, with typical photos at each exit."""
    if not summary.photos:
        return ""
    counts = [f"exit {exit}: {count}" for exit, count in enumerate(summary.exits, start=1)]

    def mark(exit: int) -> tuple[str, str]:
        count = summary.exits[exit - 1]
        return f"<b>{grouped(count)}</b>", "" if count else "none"

    columns = "".join(
        f"<li><b>exit {exit}</b><small>{many(summary.exits[exit - 1])}</small>{_thumbnails(photos, address)}</li>"
        for exit, photos in typical.items()
        if photos
    )
    return (
        '<figure class="histogram"><figcaption><h2>Where photos leave</h2>'
        "<p>Filled was computed, hollow was not. The numbers count the photos that stand at each exit, second looks "
        "included.</p></figcaption>"
        f"{survival(drawing, summary.exits, 'Photos that stand at each exit: ' + ', '.join(counts))}"
        f'{marks(drawing, mark)}</figure><ol class="typical" aria-label="Typical photos at each exit">{columns}</ol>'
    )


def visibility(summary: GallerySummary) -> str:
    """Who sees a gallery, and where everyone finds a published one; the script fills in the page's own address."""
    if summary.kind == "demo":
        return '<p class="aside">Everyone who comes sees the demo gallery.</p>'
    if summary.link is None:
        return '<p class="aside">Only you see this gallery.</p>'
    return (
        f'<p class="aside">Everyone with this address can look at it: <output data-link="{escape(summary.link)}">'
        f"</output> {button('copy', 'Copy')}</p>"
    )


def curve(found: Curve | None, budget: float | None) -> str:
    """The model's recall against its compute, with a mark at the present budget."""
    if found is None:
        return note(
            "Quality against compute",
            "Nobody has measured this model yet: `python -m engine evaluate` does, and writes what is drawn here.",
        )
    width, height, pad = 480, 240, 34
    shares = [point.macs_share for point in found.points]
    lowest = min(shares) - 0.04
    recalls = [point.recall for point in (*found.points, found.full)]
    floor, top = STEP * int(min(recalls) // STEP), max(recalls) + 1  # the axis starts where the data are

    def place(share: float, recall: float) -> tuple[float, float]:
        x = pad + (share - lowest) / (1.04 - lowest) * (width - pad - 6)
        return x, 10 + (1 - (recall - floor) / (top - floor)) * (height - 10 - pad)

    spots = [place(point.macs_share, point.recall) for point in found.points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in spots)
    here = ""
    at = found.at(budget) if budget is not None else None
    if at is not None:
        x, y = place(at.macs_share, at.recall)
        aside, end = (-10, "end") if x > width * 0.7 else (10, "start")
        here = (
            f'<line class="here" x1="{x:.1f}" x2="{x:.1f}" y1="{y:.1f}" y2="{height - pad}"/>'
            f'<circle class="here" cx="{x:.1f}" cy="{y:.1f}" r="7"/>'
            f'<text class="label" x="{x + aside:.1f}" y="{height - pad - 8}" text-anchor="{end}">'
            f"at this budget: {at.recall:.1f}\N{NO-BREAK SPACE}%</text>"
        )
    full_x, full_y = place(found.full.macs_share, found.full.recall)
    ticks = "".join(
        f'<text x="{place(share, floor)[0]:.1f}" y="{height - pad + 16}" text-anchor="middle">{percent(share)}</text>'
        for share in (0.2, 0.4, 0.6, 0.8, 1.0)
        if share >= lowest
    )
    rows = "".join(
        f'<text x="{pad - 6}" y="{y + 4:.1f}" text-anchor="end">{recall}</text>'
        f'<line class="rule" x1="{pad}" x2="{width}" y1="{y:.1f}" y2="{y:.1f}"/>'
        for recall, y in ((recall, place(lowest, recall)[1]) for recall in range(floor, int(top) + 1, STEP))
    )
    says = f"Recall at 10 against compute: {found.full.recall:.1f} at full depth"
    if at is not None:
        says += f", {at.recall:.1f} at {percent(at.macs_share)} of the compute, this gallery's budget"
    return (
        '<figure class="curve"><figcaption><h2>Quality against compute</h2>'
        f"<p>{escape(found.model)} on {escape(found.data)} ({escape(found.split)}, {many(found.images)}): how often "
        "the right photo is among the first ten, in\N{NO-BREAK SPACE}%. The cross is the full encoder.</p></figcaption>"
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(says)}">{rows}{ticks}'
        f'<polyline points="{line}"/>{dots}'
        f'<path class="full" d="M{full_x - 5:.1f} {full_y:.1f}h10M{full_x:.1f} {full_y - 5:.1f}v10"/>{here}</svg>'
        "<p class=aside>across: share of the full encoder’s compute</p></figure>"
    )


def _thumbnails(photos: Sequence[Photo], address: PictureAddress) -> str:
    pictures = "".join(button("select", picture(photo, address), photo=photo.id) for photo in photos)
    return f"<span>{pictures}</span>"
