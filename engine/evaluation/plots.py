"""What a bench found as a picture: how fast each depth ran against how fast its MACs say it might."""

from collections.abc import Sequence
from html import escape
from typing import Any

WIDE, HIGH, LEFT, TOP, RIGHT, BOTTOM = 760, 440, 64, 56, 200, 56
INKS = ("#1f6f8b", "#d1495b", "#edae49", "#66a182", "#5f4bb6", "#333333")


def plot(table: dict[str, Any]) -> str:
    """An SVG picture: MACs share across, speed as a multiple of full depth's up; a line for each model and batch size.

    Args: table: what `bench` gives.
    """
    lines = _lines(table["rows"])
    top = max([2.0, *(speed for points in lines.values() for _, speed in points)]) * 1.1
    across, up = WIDE - LEFT - RIGHT, HIGH - TOP - BOTTOM

    def at(share: float, speed: float) -> tuple[float, float]:
        return LEFT + share * across, TOP + up * (1 - speed / top)

    where = f"{escape(table['device'])}, {table['threads']} threads, {table['precision']}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDE}" height="{HIGH}" fill="white"/>',
        f'<text x="{LEFT}" y="24" font-size="16">Speed at each depth, as a multiple of full depth</text>',
        f'<text x="{LEFT}" y="42" fill="#666">{where}</text>',
    ]
    for tick in range(int(top) + 1):
        x, y = at(0, tick)
        parts.append(f'<path d="M{x} {y:.1f}H{LEFT + across}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{x - 8}" y="{y + 4:.1f}" text-anchor="end">{tick}x</text>')
    for tenth in range(0, 11, 2):
        x, y = at(tenth / 10, 0)
        parts.append(f'<text x="{x:.1f}" y="{y + 20:.1f}" text-anchor="middle">{tenth / 10:g}</text>')
    parts.append(f'<text x="{LEFT + across / 2}" y="{HIGH - 14}" text-anchor="middle">share of the full MACs</text>')
    promised = [at(share / 100, 100 / share) for share in range(100, 0, -1) if 100 / share <= top]
    parts.append(_path(promised, "#999", "stroke-dasharray='5 4'"))
    parts.append(f'<text x="{LEFT + across + 16}" y="{TOP}" fill="#777">- - what MACs promise</text>')
    for number, (name, points) in enumerate(lines.items()):
        ink = INKS[number % len(INKS)]
        parts.append(_path([at(*point) for point in points], ink))
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{ink}"/>' for x, y in (at(*p) for p in points)]
        y = TOP + 24 * (number + 1)
        parts.append(f'<circle cx="{LEFT + across + 22}" cy="{y - 4}" r="4" fill="{ink}"/>')
        parts.append(f'<text x="{LEFT + across + 34}" y="{y}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _lines(rows: Sequence[dict[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    """(MACs share, multiple of full depth's speed) of every exit and of full depth, by model and batch size."""
    found: dict[str, list[tuple[float, float]]] = {}
    full = {(row["model"], row["batch"]): row["images_per_s"] for row in rows if row["mode"] == "full"}
    for row in rows:
        key = (row["model"], row["batch"])
        if key in full and (row["mode"] == "full" or row["mode"].startswith("exit:")):
            points = found.setdefault(f"{row['model']}, batch {row['batch']}", [])
            points.append((row["macs_share"], row["images_per_s"] / full[key]))
    return {name: sorted(points) for name, points in found.items()}


def _path(points: Sequence[tuple[float, float]], ink: str, more: str = "") -> str:
    steps = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f'<path d="M{steps}" fill="none" stroke="{ink}" stroke-width="2" {more}/>'
