"""The selected photo: how it went through the encoder, and what more could be asked of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from app.attribution import Attribution
from app.pictures import PictureAddress
from app.views.formatting import button, described, isolated, macs, percent, saved, score
from app.views.strip import Drawing, marks, stages_strip
from app.views.viewer import about
from engine.gallery import LEAVES_AT, Deepened, ExitScore, Photo, nearest_budget

# How well a text fits: its cosine to the photo, in units of what is usual.
SOMEWHAT, WELL, BEST = 1.04, 1.1, 1.3
ROOM = 0.2  # of the strip's width, that a mark with its words takes
SCALE = (
    "A bar begins where the ten nearest texts of a usual photo lie, and is full at "
    f"{BEST:.1f} times that; a text fits well from {WELL:.1f} times on."
)


@dataclass(frozen=True)
class Picked:
    """That a person has selected a photo; on a phone it then comes up as a sheet, until that is closed."""

    name: str  # of this choice
    own: bool = False  # the photo may be deleted


def panel(
    photo: Photo,
    drawing: Drawing,
    address: PictureAddress,
    picked: Picked | None = None,
    credit: Attribution | None = None,
    extra: str = "",
    deepened: Deepened | None = None,
) -> str:
    """How one photo went through the encoder.

    Args:
        picked: None: it is on show because it fits best.
        credit: whose photo it is, where that must be said.
        extra: HTML of what was asked about it.
        deepened: the second look that it got for the query on show.
    """
    left = f"left at exit {photo.exit} of {photo.exits}"
    if photo.exit == photo.exits:
        left = f"went all the way, exit {photo.exits} of {photo.exits}"
    gates = _gates(photo)
    before = drawing.positions[deepened.from_exit] if deepened else None
    discard = button("discard", "Delete") if picked and picked.own else ""
    deeper = "" if photo.exit == photo.exits else button("deepen", "Run it to full depth")
    return (
        f'<section class="panel" aria-label="The selected photo" data-photo="{photo.id}"'
        f"{f' data-picked={picked.name}' if picked else ''}>"
        '<button type="button" class="close" aria-label="Close">×</button>'
        f'<button type="button" class="enlarge" data-photo="{photo.id}"{about(photo, address)}>'
        f'<img src="{escape(address(photo, "panel"))}" alt="{escape(described(photo.file))}, full screen"'
        f' width="{photo.width}" height="{photo.height}"></button>'
        f'<p class="file">{escape(isolated(photo.file))}<span>{photo.width} × {photo.height}</span></p>'
        f"{_credit(credit)}"
        f"<h2>It {left}</h2>"
        f"{stages_strip(drawing, photo.macs_share, f'Stages of the encoder: the photo {left}', before)}"
        f"{_marks(photo, drawing, gates)}"
        f'<p class="spent"><b>{macs(photo.macs, drawing.full_macs)}</b> · <b>{saved(photo)}</b></p>'
        f'<div class="actions">{deeper}{button("alike", "More like this")}'
        f"{button('explain', 'How the query fits, exit by exit')}{discard}</div>"
        f'<div class="extra" aria-live="polite">{extra}</div>{_why(photo, gates, drawing.usual_affinity)}</section>'
    )


def fit(query: str, fits: Sequence[ExitScore], exit: int) -> str:
    """How a photo fits a query at every exit, up to full depth: the score that the grid shows, and the raw cosine.

    Args: exit: the one that the photo stands at, 1-based.
    """
    top = max(*(fit.score for fit in fits), 0.01)
    rows = "".join(
        f'<li class="{"here" if number == exit else "on" if number < exit else "off"}"><span>exit {number}</span>'
        f'<i style="--part:{max(fit.score, 0) / top:.3f}"></i><b>{score(fit.score)}</b>'
        f"<small>{fit.cosine:.2f}</small></li>"
        for number, fit in enumerate(fits, start=1)
    )
    return (
        f'<h3>Score for “{escape(query)}” at each exit, and the raw cosine</h3><ol class="fit">{rows}</ol>'
        '<p class="aside">Hollow: exits that it did not reach. All were run for this answer only: one full '
        "encoding, counted for no gallery.</p>"
    )


def deepened(rank_before: int | None, rank_after: int | None, spent: int, full_macs: int, kept: bool = True) -> str:
    """What running a photo to full depth changed in the ranking on show; ranks are None where it is not on it.

    Args: kept: the index has taken it in; else it is so deep for this visitor, until the next search.
    """
    share = f"It cost another {percent(spent / full_macs)} of a full encoding."
    if not kept:
        share += " The demo gallery’s index stays as it is: only you see this, until your next search."
    if rank_before is None and rank_after is None:
        return f'<p class="outcome"><b>At full depth now.</b> No ranking on show holds it. {share}</p>'
    if rank_before == rank_after:
        return f'<p class="outcome"><b>The ranking did not change:</b> still at rank {rank_after}. {share}</p>'
    before = f"rank {rank_before}" if rank_before is not None else "off the page"
    after = f"rank {rank_after}" if rank_after is not None else "off the page"
    return f'<p class="outcome"><b>The ranking changed:</b> from {before} to {after}. {share}</p>'


def _credit(credit: Attribution | None) -> str:
    if credit is None:
        return ""
    return (
        f'<p class="credit">“{escape(credit.title)}”, {escape(credit.author)} · '
        f'<a href="{escape(credit.licence_url)}" rel="noreferrer" target="_blank">{escape(credit.licence)}</a></p>'
    )


def _gates(photo: Photo) -> list[float]:
    """The gate's probability at each gated exit that a photo came to, at its budget."""
    return photo.gates[:, nearest_budget(photo.budget)].tolist() if photo.gates.size else []


def _marks(photo: Photo, drawing: Drawing, gates: Sequence[float]) -> str:
    """The exits under a photo's strip, each with its gate's probability where the photo came to it."""

    def mark(exit: int) -> tuple[str, str]:
        free = drawing.positions[exit] - drawing.positions.get(exit - 1, 0.0) >= ROOM
        gate = "end" if exit == photo.exits else ""
        if exit <= len(gates):
            gate = "gate " * free + f"{gates[exit - 1]:.2f}".removeprefix("0")
        number = "exit " * free + str(exit)
        return f"<b>{number}</b>{gate}", "here" if exit == photo.exit else "" if exit < photo.exit else "none"

    return marks(drawing, mark)


def _verdict(photo: Photo, exit: int, enough: bool) -> str:
    """What came of an exit that the photo came to; it may have gone on for a search, or at another budget."""
    if exit == photo.exits:
        return "the end"
    if exit == photo.exit:
        return "enough: it left"
    return "enough at this budget; it was taken deeper" if enough else "not enough: it went on"


def _why(photo: Photo, gates: Sequence[float], usual: float) -> str:
    """Why it stopped, or went on: at each exit that it came to, what the gate said, and the texts that fit it there.

    Args: usual: the affinity of photos in general; what counts as a fit is measured in it.
    """
    rows, bars = [], False
    for exit, nearest in enumerate(photo.nearest_texts, start=1):
        probability = gates[exit - 1] if exit <= len(gates) else None
        gate = "no gate" if probability is None else f"gate {probability:.2f}, needs {LEAVES_AT:.2f}"
        verdict = _verdict(photo, exit, probability is not None and probability >= LEAVES_AT)
        fitting = [(text, cosine / usual) for text, cosine in nearest if usual > 0 and cosine / usual >= SOMEWHAT]
        texts = "".join(
            f'<li style="--part:{min((fit - 1) / (BEST - 1), 1):.3f}"><b>{escape(text)}</b> '
            f"fits {'well' if fit >= WELL else 'somewhat'}</li>"
            for text, fit in fitting
        )
        bars |= bool(texts)
        found = f"<ul>{texts}</ul>" if texts else '<p class="none">No stored text fits it here.</p>'
        here = " class=here" if exit == photo.exit else ""
        rows.append(f'<li{here}><p class="exit"><b>exit {exit}</b> {gate} · {verdict}</p>{found}</li>')
    if not rows:
        return ""
    title = "Why it went on" if photo.exit == photo.exits else "Why it stopped"
    scale = f'<p class="aside">{SCALE}</p>' if bars else ""
    return f'<h3>{title}</h3><ol class="sights">{"".join(rows)}</ol>{scale}'
