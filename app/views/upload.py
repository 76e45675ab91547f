"""Photos on their way into a gallery, and what became of them."""

from collections.abc import Sequence
from html import escape

from app.strip import Drawing
from app.views.formatting import duration, in_line, percent, photos_word
from app.views.results import Address, card
from engine.gallery import IngestReport, Progress, Skipped


def encoding(
    title: str,
    progress: Progress | None,
    seconds: float,
    drawing: Drawing | None,
    address: Address,
    note: str = "",
) -> str:
    """Photos on their way through the encoder; without a progress it is about to begin."""
    if progress is None:
        return _progress(title, "Reading the first photos …", None, note)
    rate = progress.done / seconds if seconds else 0.0
    left = f" · about {duration((progress.total - progress.done) / rate)} left" if rate else ""
    words = f"{progress.done} of {progress.total} · {rate:.1f} a second{left}"
    cards = "".join(card(photo, drawing, address) for photo in progress.latest) if drawing else ""
    grid = f'<ol class="grid small" aria-label="Just encoded">{cards}</ol>' if cards else ""
    return _progress(title, words, progress, note) + grid


def loading(title: str, words: str) -> str:
    """What photos are to be encoded or searched with is not there yet."""
    return _progress(title, words, None, "")


def listing(title: str, found: int) -> str:
    """What was sent is looked through, archives too."""
    return _progress(title, f"Looking through what was sent: {found} {photos_word(found)} so far …", None, "")


def waiting(title: str, place: int) -> str:
    """Photos that wait for others' to be done; 1 is the next place in line."""
    return _progress(title, in_line(place), None, "")


def report(done: IngestReport, gallery: str) -> str:
    """What became of the files of one upload."""
    lines = [f"<b>{done.added}</b> {photos_word(done.added)} added to “{escape(gallery)}”"]
    if done.added:
        lines.append(f"{done.images_per_second:.1f} a second, {percent(1 - done.mean_macs_share)} of the compute saved")
    if done.duplicates:
        lines.append(f"{done.duplicates} {'was' if done.duplicates == 1 else 'were'} here already")
    return _account(" · ".join(lines), bool(done.added), done.skipped)


def encoded_again(done: IngestReport, budget: float) -> str:
    """What became of a gallery's photos when another budget was applied, or other phrases."""
    which = "All other photos are" if done.skipped else "Every photo is"
    return _account(f"{which} at a budget of {percent(budget)} now.", False, done.skipped)


def stopped(added: int, skipped: Sequence[Skipped], gallery: str) -> str:
    """What an upload that was stopped had done until then: it stays."""
    line = f"Stopped: <b>{added}</b> {photos_word(added)} added to “{escape(gallery)}” so far, and kept"
    return _account(line, bool(added), skipped)


def _account(line: str, some: bool, skipped: Sequence[Skipped]) -> str:
    """A line, a way to the photos where there are some, and the files that were left out."""
    show = '<p class="actions"><button type="button" data-event="show">Show the gallery</button></p>' if some else ""
    listed = ""
    if skipped:
        rows = "".join(
            f"<li><span>{escape(skip.file)}</span><span>{escape(skip.reason)}</span></li>" for skip in skipped
        )
        files = "file was" if len(skipped) == 1 else "files were"
        listed = f"<h3>{len(skipped)} {files} left out</h3><ul tabindex=0>{rows}</ul>"
    return f'<div class="report" role="status"><p>{line}</p>{show}{listed}</div>'


def _progress(title: str, words: str, progress: Progress | None, note: str) -> str:
    amount = f' value="{progress.done}" max="{progress.total}"' if progress else ""
    aside = f"<p>{escape(note)}</p>" if note else ""
    return (
        f'<div class="encoding" role="status"><h2>{escape(title)}</h2>'
        f'<progress{amount} aria-label="{escape(title)}"></progress><p class="numbers">{words}</p>{aside}</div>'
    )
