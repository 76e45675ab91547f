"""The head of the page: a gallery in one line, queries to try, and what an answer cost."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from app.views.formatting import button, day, many, percent, waiting
from app.views.race import beside, faster, where
from engine.gallery import Deepened, GallerySummary, Measured, Order, Refinement

NAME = "T-GEM search"
SENTENCE = "Search your photos in words. Easy photos stop early; hard ones get more."
TITLE = f'<header class="intro"><h1>{NAME}</h1><p>{SENTENCE}</p></header>'
PLACEHOLDER = "Describe a photo in English"


def headline(summary: GallerySummary, measured: Measured | None) -> str:
    """A gallery in one line: what indexing it took, and the last measured race."""
    if not summary.photos:
        return f'<p class="headline">{waiting(summary.waiting) if summary.waiting else "No photos yet"}</p>'
    share = percent(summary.macs_index / summary.macs_in_full)
    line = f"<b>{many(summary.photos)}</b> · <span>indexed with <b>{share}</b> of the full encoder’s compute</span>"
    if len(summary.exits) == 1:
        line = f"<b>{many(summary.photos)}</b> · <span>all at full depth: this model has no exit modules yet</span>"
    if summary.waiting:
        line += f" · <span>{waiting(summary.waiting)}</span>"
    if measured := beside(measured, summary):
        when = f"{'shipped measurement' if measured.machine else 'measured'}, {day(measured.race.at)}"
        line += f' · <span title="{where(measured)}"><b>{faster(measured.race)}</b> ({when})</span>'
    return f'<p class="headline">{line}</p>'


def outdated(summary: GallerySummary) -> str:
    """The same of a gallery that another model has encoded: its figures are not of the present one."""
    again = "indexed by an earlier model: encode again"
    return f'<p class="headline"><b>{many(summary.in_all)}</b> · <span>{again}</span></p>'


def suggestions(examples: Sequence[str], history: Sequence[str], corrected: str = "") -> str:
    """Queries of this session, and queries to try, as buttons: one line, so that the page below it never moves.

    Args: corrected: the query on show as it was probably meant, where that differs.
    """
    parts = []
    others = [[query for query in queries if query != corrected] for queries in (history, examples)]
    meant = [corrected] if corrected else []
    for title, queries in zip(("Did you mean", "Earlier", "Try"), (meant, *others), strict=True):
        if queries:
            buttons = [button("again", escape(query), f' title="{escape(query)}"', query=query) for query in queries]
            parts.append(f"<span>{title}</span>{''.join(buttons)}")
    return f'<div class="examples">{"".join(parts)}</div>' if parts else ""


def chip(source: str) -> str:
    """What is searched with, a thumbnail and a button that takes it out of the search. Empty without a picture."""
    if not source:
        return ""
    without = button("unlike", "×", ' aria-label="Search without this picture"')
    return (
        f'<span class="chip"><img src="{escape(source)}" alt="The picture that is searched with"'
        f' width="46" height="46"><span>Like this</span>{without}</span>'
    )


class Place(NamedTuple):
    """What an answer is to, for the page's script."""

    gallery: str  # as the page's address names it
    query: str
    step: str = ""  # of Back and Forward that was asked for last


def bar(
    status: str = "",
    links: str = "",
    share: str = "",
    photos: bool = False,
    own: bool = False,
    place: Place | None = None,
    said: str = "",
) -> str:
    """The line over a ranking: what has become of it, and what can be taken away; its place is kept free.

    Args:
        status, links: HTML.
        share: the end of an address that opens this ranking again, where strangers may.
        photos: there are some on show: several can be picked, to be taken away as a ZIP.
        own: they may be deleted, too.
        place: what was asked; None where nothing was answered.
        said: what a screen reader says first: two answers may have the same status, and be told of once.
    """
    at = "".join(f' data-{name}="{escape(value)}"' for name, value in place._asdict().items()) if place else ""
    copy = button("share", "Copy link", opens=share) if share else ""
    choose = chosen = ""
    if photos:
        choose = button("choose", "Select")
        buttons = button("all", "All on show") + button("zip", "Download ZIP", " disabled")
        buttons += (button("discard", "Delete", " disabled") if own else "") + button("choose", "Cancel")
        chosen = f'<span class="choice" hidden>{buttons}</span>'
    doing = f"<span>{links}{copy}{choose}</span>{chosen}"
    unseen = f'<span class="unseen">{escape(said)} </span>' if said else ""
    line = f'<p role="status">{unseen}{status or "&nbsp;"}</p>{LEGEND if status else ""}'
    return f'<div class="answer"{at}>{line}{doing}</div>'


LEGEND = (
    '<p class="legend"><span><i class="on"></i>filled = computed</span><span><i></i>hollow = saved</span>'
    '<span><i class="new"></i>striped = for this search</span></p>'
)
SECOND_LOOK = '<span class="busy">A second look at photos whose place is in doubt …</span>'


TOOLS = (
    f'<div class="tools">{button("present", "Present")}'
    '<details class="reading"><summary aria-label="How to read this page" title="How to read this page">?</summary>'
    "<div><p><b>Filled was computed</b> when a photo was indexed, hollow was saved.</p>"
    "<p>A strip is the image encoder from its first stage to its last, each as wide as its share of the compute. A "
    "line parts two <b>passes</b>: each pass is a stage of one encoder, and a photo that goes on keeps what the passes "
    "before have computed.</p>"
    "<p>An <b>exit</b> is a place between stages where a photo may leave; the last one is the encoder’s end. At each, "
    "a <b>gate</b> says how probably the photo has shown enough for the budget: it leaves from .50 on.</p>"
    "<p><b>Saved</b> is the share of the full encoder’s multiply-accumulates (MACs) that did not run. Photos stand in "
    "order of their <b>scores</b>: how well a photo fits the words, less a part of how well any words fit it, and a "
    "little more for one that left early and may fit better than it seems. 100 would be a perfect fit; compare scores "
    "within one search.</p>"
    "<p>A search answers at once from the index. A <b>second look</b> then runs a few photos deeper where that may "
    "change the answer, and moves them. What it ran comes on top of what indexing took. The demo gallery’s index "
    "never changes: everybody finds the same there.</p></div></details></div>"
)
FIRST_ANSWER = "Answered from the index, without a second look."
UNASKED: Mapping[Order, str] = {
    "arrival": "The gallery’s photos, in the order they came.",
    "newest": "The gallery’s photos, the newest first.",
    "oldest": "The gallery’s photos, the oldest first.",
}
PICTURED = " Your picture took one full encoding, counted for this gallery."
UNCOUNTED = " Your picture took one full encoding, counted for no gallery."
NOT_ENGLISH = " Only English words are understood."
READ_IN_PART = " Only the beginning of your words is read; use fewer."
PICTURE_GONE = " The picture that was searched with is gone; to search with it, give it again."


def deepened(spent: int, full_macs: int) -> str:
    """What a photo cost that the visitor had run to full depth."""
    return f"You ran <b>{many(1)}</b> to full depth, <b>+{spent / full_macs:.1f}</b> full encodings."


def refined(found: Refinement, deepened: Sequence[Deepened]) -> str:
    """What a refined answer cost, and what it changed.

    Args: deepened: with their ranks among all photos on show.
    """
    if not deepened:
        return "No photo needed a second look."
    encodings = found.macs / found.full_macs if found.full_macs else 0.0
    moved = sum(photo.rank_before != photo.rank_after for photo in deepened)
    changed = "none moved" if not moved else f"{moved} moved"
    return f"Second look at <b>{many(len(deepened))}</b>, <b>+{encodings:.1f}</b> full encodings · {changed}."
