"""The certificate of a gallery's model: what its exits gave on photos that nothing was fitted on."""

from html import escape

from app.views.formatting import many, percent, times
from engine.gallery import Certificate


def card(certificate: Certificate | None) -> str:
    """The certificate as a table under its advice; nothing where there is none."""
    if certificate is None:
        return ""
    bare = certificate.bare_images_per_s
    rows = "".join(
        f"<tr><td>{percent(row.budget)}</td><td>{_bar(row.macs_share)}</td><td>{percent(row.fidelity.label / 100)}</td>"
        f"<td>{percent(row.fidelity.top10 / 100)}</td><td>{times(row.images_per_s / bare) if bare else ''}</td></tr>"
        for row in certificate.budgets
    )
    return (
        f'<figure class="certificate"><figcaption><h2>Certificate of {escape(certificate.model)}</h2>'
        f"<p>{escape(certificate.advice)}</p></figcaption><table><thead><tr><th>budget</th><th>compute</th>"
        "<th>same best text</th><th>of the best ten</th><th>speed</th></tr></thead>"
        f'<tbody>{rows}</tbody></table><p class="aside">Measured on {many(certificate.photos)} that nothing was '
        "fitted on. Speed is against the bare model.</p></figure>"
    )


def _bar(share: float) -> str:
    """Filled is computed, hollow is saved."""
    return f'<i style="--part:{min(share, 1):.3f}"></i> {percent(share)}'
