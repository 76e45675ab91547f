"""A certificate as a page that stands alone: inline SVG, no script, light or dark as the reader's system is."""

from collections.abc import Iterator, Sequence
from datetime import date
from html import escape

from engine.exits.certificate import BudgetRow, Certificate

WIDE, HIGH, LEFT, BOTTOM, TOP = 560, 320, 46, 40, 14  # px of a plot, and of its margins
BAR, GAP, NAMES, FIGURES = 22, 12, 96, 120  # px of the speeds' bars

STYLE = """
:root { color-scheme: light dark; --ink: #1c1917; --soft: #57534e; --line: #e4e0d9; --hollow: #cfcac2;
  --paper: #fbfaf8; --computed: #cc420d }
@media (prefers-color-scheme: dark) { :root { --ink: #f5f3f0; --soft: #b8b2aa; --line: #33302c; --hollow: #57524b;
  --paper: #161513; --computed: #ff8f4d } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
main { max-width: 1180px; margin: 0 auto; padding: 2.5rem 1.25rem 4rem }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; letter-spacing: -.02em; overflow-wrap: anywhere }
h2 { font-size: 1.05rem; margin: 2.2rem 0 .6rem }
.advice { font-size: 1.2rem; margin: 1.2rem 0; padding-left: .9rem; border-left: 4px solid var(--computed) }
.soft, figcaption { color: var(--soft); font-size: .9rem; max-width: 46rem }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr)); gap: 2rem }
figure { margin: 0 } svg { width: 100%; height: auto; font: 12px system-ui, sans-serif }
svg text { fill: var(--soft) } .grid { stroke: var(--line) } .strong { fill: var(--ink) }
.label, .top10 { fill: none; stroke: var(--computed); stroke-width: 2.5 } .label { stroke-dasharray: 2 5 }
.dot { fill: var(--computed) } .ring { fill: var(--paper); stroke: var(--computed); stroke-width: 2 }
.bar { fill: var(--computed) } .bare { fill: var(--hollow) }
.scroll { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: .35rem .9rem; border-bottom: 1px solid var(--line); white-space: nowrap }
th { font-weight: 600 }
"""


def page(certificate: Certificate, bare_share: float) -> str:
    """A whole HTML document.

    Args: bare_share: the model's own MACs, as a share of full depth's.
    """
    name, advice = escape(certificate.model), escape(certificate.advice)
    shown = "".join(
        f"<tr><td>{row.budget:g}</td><td>{row.macs_share * 100:.1f} %</td>"
        f"<td>{row.macs_share / bare_share * 100:.1f} %</td>"
        f"<td>{row.fidelity.label:.1f} %</td><td>{row.fidelity.top10:.1f} %</td><td>{row.images_per_s:.1f}</td></tr>"
        for row in certificate.budgets
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Certificate: {name}</title><style>{STYLE}</style></head><body><main>
<h1>{name}</h1>
<p class="soft">Measured on {certificate.photos} photos that nothing was fitted on, {date.today().isoformat()}.</p>
<p class="advice">{advice}</p>
<div class="plots">
<figure><h2>What stays of full depth’s answers</h2>{_fidelity_plot(certificate.budgets)}
<figcaption>Solid: how many of the ten photos that full depth ranks first are among the early ten. Dotted: how many
photos keep the text that fits them best.</figcaption></figure>
<figure><h2>Photos a second</h2>{_speed_plot(certificate)}
<figcaption>Measured in turns in one run, decoding left out. Bare is OpenCLIP’s own model. Times depend on what else the
machine does; the ratios less so.</figcaption></figure>
</div>
<h2>All figures</h2><div class="scroll"><table><thead><tr><th>budget</th><th>of full depth’s compute</th>
<th>of the bare model’s</th><th>same best text</th><th>of the best ten</th><th>photos a second</th></tr></thead>
<tbody>{shown}</tbody></table></div>
<p class="soft">Compute is counted in multiply-accumulates. Full depth here is all that a photo can run: exits, gates
and the text bank included. The bare model is {bare_share * 100:.1f} % of it.</p>
</main></body></html>
"""


def _fidelity_plot(rows: Sequence[BudgetRow]) -> str:
    """Fidelity against the MACs that ran."""

    def x(share: float) -> float:
        return LEFT + min(share, 1) * (WIDE - LEFT - 24)

    def y(found: float) -> float:
        return TOP + (1 - found / 100) * (HIGH - TOP - BOTTOM)

    def line(kind: str, mark: str, points: Sequence[tuple[float, float]]) -> Iterator[str]:
        places = [(x(share), y(found)) for share, found in points]
        yield f'<polyline class="{kind}" points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in places)}"/>'
        yield from (f'<circle class="{mark}" cx="{a:.1f}" cy="{b:.1f}" r="4"/>' for a, b in places)

    parts = []
    for step in range(0, 101, 25):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDE - 24}" y1="{y(step):.1f}" y2="{y(step):.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(step) + 4:.1f}" text-anchor="end">{step} %</text>')
        parts.append(f'<text x="{x(step / 100):.1f}" y="{HIGH - BOTTOM + 18}" text-anchor="middle">{step} %</text>')
    parts.append(
        f'<text x="{(LEFT + WIDE) / 2:.0f}" y="{HIGH - 4}" text-anchor="middle">of full depth’s compute</text>'
    )
    ordered = sorted(rows, key=lambda row: row.macs_share)
    parts += line("label", "ring", [(row.macs_share, row.fidelity.label) for row in ordered])
    parts += line("top10", "dot", [(row.macs_share, row.fidelity.top10) for row in ordered])
    return _svg(HIGH, "Fidelity against compute", parts)


def _speed_plot(certificate: Certificate) -> str:
    """A bar for each budget, and one for the bare model."""
    bare = certificate.bare_images_per_s
    speeds = [("bare", bare), *((f"budget {row.budget:g}", row.images_per_s) for row in certificate.budgets)]
    longest = max(speed for _, speed in speeds)
    parts = []
    for place, (name, speed) in enumerate(speeds):
        top, wide = TOP + place * (BAR + GAP), speed / longest * (WIDE - NAMES - FIGURES)
        parts.append(f'<text x="{NAMES - 10}" y="{top + 15}" text-anchor="end">{name}</text>')
        kind = "bar" if place else "bare"
        parts.append(f'<rect class="{kind}" x="{NAMES}" y="{top}" width="{wide:.1f}" height="{BAR}" rx="3"/>')
        factor = f" · {speed / bare:.2f}×" if place else ""
        parts.append(f'<text class="strong" x="{NAMES + wide + 8:.1f}" y="{top + 15}">{speed:.1f}{factor}</text>')
    return _svg(2 * TOP + len(speeds) * (BAR + GAP), "Photos a second", parts)


def _svg(high: int, title: str, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {WIDE} {high}" role="img" aria-label="{title}">{"".join(parts)}</svg>'
