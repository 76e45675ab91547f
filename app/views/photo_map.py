"""The map of a gallery as SVG: a dot for each photo, the fuller the deeper it went."""

from collections.abc import Sequence
from html import escape

from app.pictures import PictureAddress
from app.views.formatting import grouped, many, percent
from engine.gallery import Place

WIDTH, HEIGHT, PAD = 1000, 560, 24


def photo_map(places: Sequence[Place], photos: int, address: PictureAddress) -> str:
    """A gallery's photos as dots; the script zooms, and shows the photo of the dot that is pointed at.

    Args: photos: in the gallery; the map may hold fewer.
    """
    if len(places) < 3:
        return ""
    dots = "".join(_dot(place, address) for place in places)
    which = f"{grouped(len(places))} of its {many(photos)}" if len(places) < photos else many(photos)
    return (
        '<figure class="map"><figcaption><h2>Map of the gallery</h2><p>Photos of similar things lie near each '
        f"other ({which}). The fuller a dot, the deeper its photo went. The buttons zoom, and so does Ctrl with the "
        'wheel; drag to move, click a dot to select its photo.</p></figcaption><p class="zooms">'
        f"{_zoom('in', 'Zoom in', '+')}{_zoom('out', 'Zoom out', '−')}{_zoom('all', 'Show all', 'Show all')}"
        '</p><div class="field">'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Map of {which}; each can be reached among the '
        f'results, too"><g>{dots}</g></svg>'
        '<button type="button" class="peek" data-event="select" hidden></button></div>'
        f"{_key(places)}</figure>"
    )


def _dot(place: Place, address: PictureAddress) -> str:
    photo = place.photo
    x, y = PAD + place.x * (WIDTH - 2 * PAD), HEIGHT - PAD - place.y * (HEIGHT - 2 * PAD)
    return (
        f'<circle cx="{x:.0f}" cy="{y:.0f}" fill-opacity="{min(photo.macs_share, 1):.2f}" data-photo="{photo.id}" '
        f'data-src="{escape(address(photo, "grid"))}" data-name="{escape(photo.file)}" '
        f'data-ran="{percent(min(photo.macs_share, 1))} computed"/>'
    )


def _zoom(to: str, label: str, sign: str) -> str:
    return f'<button type="button" class="zoom" data-zoom="{to}" aria-label="{label}">{sign}</button>'


def _key(places: Sequence[Place]) -> str:
    """What the fills of dots stand for: a dot for each exit, as full as its photos are on average."""
    shares: dict[int, list[float]] = {}
    for place in places:
        shares.setdefault(place.photo.exit, []).append(min(place.photo.macs_share, 1))
    rows = []
    for exit, of in sorted(shares.items()):
        mean = sum(of) / len(of)
        dot = f'<svg viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" fill-opacity="{mean:.2f}"/></svg>'
        rows.append(f"<li>{dot}exit {exit}: {percent(mean)} computed, {many(len(of))}</li>")
    return f'<ul class="key-of-map">{"".join(rows)}</ul>'
