"""Photos on their way through the encoder: how far it is, those that came last, and the files that were left out."""

from collections.abc import Sequence
from html import escape

from app.pictures import PictureAddress
from app.views.formatting import duration, grouped, out_of
from app.views.results import card
from app.views.strip import Drawing
from engine.gallery import Lap, Photo, Progress, Skipped


def encoding(
    title: str,
    progress: Progress | None,
    seconds: float,
    drawing: Drawing | None,
    address: PictureAddress,
    note: str = "",
) -> str:
    """Photos on their way through the encoder; without a progress it is about to begin."""
    if progress is None:
        return progress_bar(title, "Reading the first photos …", note=note)
    rate = progress.done / seconds if seconds else 0.0
    left = f" · about {duration((progress.total - progress.done) / rate)} left" if rate else ""
    words = f"{out_of(progress.done, progress.total)} · {rate:.1f} a second{left}"
    return progress_bar(title, words, progress, note) + latest(progress.latest, drawing, address)


def progress_bar(title: str, words: str, progress: Progress | Lap | None = None, note: str = "") -> str:
    """How far something is; without a progress nobody knows."""
    amount = f' value="{progress.done}" max="{progress.total}"' if progress else ""
    aside = f"<p>{escape(note)}</p>" if note else ""
    return (
        f'<div class="encoding"><h2><span role="status">{escape(title)}</span></h2>'
        f'<progress{amount} aria-label="{escape(title)}"></progress><p class="numbers">{words}</p>{aside}</div>'
    )


def latest(photos: Sequence[Photo], drawing: Drawing | None, address: PictureAddress) -> str:
    """The photos that came last, whose strips fill pass by pass.

    Args: drawing: None while there is no photo yet.
    """
    cards = "".join(card(photo, drawing, address) for photo in photos) if drawing else ""
    return f'<ol class="grid small" aria-label="Just encoded">{cards}</ol>' if cards else ""


def left_out(skipped: Sequence[Skipped]) -> str:
    """The files that were left out, each with its reason."""
    if not skipped:
        return ""
    rows = "".join(f"<li><span>{escape(skip.file)}</span><span>{escape(skip.reason)}</span></li>" for skip in skipped)
    return f"<h3>{files_left_out(len(skipped))}</h3><ul tabindex=0>{rows}</ul>"


def files_left_out(count: int) -> str:
    """How many files were left out."""
    return "1 file was left out" if count == 1 else f"{grouped(count)} files were left out"
