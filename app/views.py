"""What is shown: pure functions from results to HTML. Whatever a person gave is escaped here."""

from collections.abc import Callable, Sequence
from html import escape
from pathlib import PurePath
from typing import TYPE_CHECKING

from app.pictures import Size
from app.strip import lanes, positions, strip, survival
from engine.catalog import GallerySummary, Hit, IngestReport, Photo, Progress

if TYPE_CHECKING:
    from engine.ladder import Stage

Address = Callable[[Photo, Size], str]
Stages = Sequence["Stage"]

TITLE = '<h1 class="unseen">Text-to-image search</h1>'


def headline(summary: GallerySummary) -> str:
    """A gallery in one line."""
    if not summary.photos:
        return f'{TITLE}<p class="headline">No photos yet</p>'
    saved = f"<b>{percent(summary.saved_share)}</b> of the encoder’s work not done"
    if summary.saved_share < 0:
        saved = f"<b>{percent(-summary.saved_share)}</b> more work than the full encoder"
    return f'{TITLE}<p class="headline"><b>{summary.photos}</b> {photos_word(summary.photos)} · {saved}</p>'


def examples(queries: Sequence[str]) -> str:
    """Queries to try, as buttons."""
    if not queries:
        return ""
    buttons = "".join(
        f'<button type="button" data-query="{escape(query)}">{escape(query)}</button>' for query in queries
    )
    return f'<div class="examples"><span>Try</span>{buttons}</div>'


def results(hits: Sequence[Hit], stages: Stages, address: Address) -> str:
    """Photos found, best first."""
    cards = "".join(_card(hit.photo, stages, address, hit.score, current=hit.rank == 1) for hit in hits)
    return f'<ol class="grid" aria-label="Results, best first">{cards}</ol>'


def shelf(photos: Sequence[Photo], stages: Stages, address: Address, more: int = 0) -> str:
    """A gallery's photos when nothing is asked; `more` of them are not shown."""
    cards = "".join(_card(photo, stages, address, None, current=False) for photo in photos)
    rest = f'<p class="aside">and {more} more: type what to look for</p>' if more else ""
    return f'<ol class="grid" aria-label="Photos of this gallery">{cards}</ol>{rest}'


def panel(
    photo: Photo, stages: Stages, full_macs: int, gates: Sequence[float], address: Address, picked: bool = False
) -> str:
    """How one photo went through the encoder.

    Args:
        gates: the gate's probability at each gated exit reached, at the budget the photo was encoded for.
        picked: a person chose it; on a phone it then comes up as a sheet.
    """
    left = f"left at exit {photo.exit} of {photo.exits}"
    if photo.exit == photo.exits:
        left = f"went all the way, exit {photo.exits} of {photo.exits}"
    return (
        f'<section class="panel" aria-label="The selected photo"{" data-picked" if picked else ""}>'
        '<button type="button" class="close" aria-label="Close">×</button>'
        f'<img src="{escape(address(photo, "large"))}" alt="{escape(described(photo.file))}"'
        f' width="{photo.width}" height="{photo.height}">'
        f'<p class="file">{escape(photo.file)}<span>{photo.width} × {photo.height}</span></p>'
        f"<h2>It {left}</h2>"
        f"{strip(stages, photo.exit, f'Stages of the encoder: the photo {left}')}"
        f"{_marks(photo, stages, gates)}"
        f'<p class="spent"><b>{share_of_macs(photo.macs, full_macs)}</b> · {photo.milliseconds:.1f} ms · '
        f"<b>{saved(photo)}</b></p>"
        f"{_sights(photo, gates)}</section>"
    )


def histogram(summary: GallerySummary, stages: Stages) -> str:
    """Where a gallery's photos leave: the filled area is the work that was done."""
    if not summary.photos:
        return note("Where photos leave", "Add photos, and this shows how deep each of them had to go.")
    counts = [f"exit {exit}: {count}" for exit, count in enumerate(summary.exits, start=1)]
    marks = "".join(
        f'<span class="mark{"" if count else " none"}" style="left:{place:.2%};--lane:{lane}"><b>{count}</b></span>'
        for (_, place), count, lane in _placed(stages, summary.exits)
    )
    return (
        '<figure class="histogram"><figcaption><h2>Where photos leave</h2>'
        "<p>Filled is work that was done, hollow is work that was not. The numbers count the photos that left "
        "at each exit.</p></figcaption>"
        f"{survival(stages, summary.exits, 'Photos that left at each exit: ' + ', '.join(counts))}"
        f'<div class="marks" style="--lanes:{_rows(stages)}">{marks}</div></figure>'
    )


def encoding(
    title: str, progress: Progress | None, seconds: float, stages: Stages | None, address: Address, note: str = ""
) -> str:
    """Photos on their way through the encoder; without a progress it is about to begin."""
    if progress is None:
        return _progress(title, "Reading the first photos …", None, note)
    rate = progress.done / seconds if seconds else 0.0
    left = f" · about {duration((progress.total - progress.done) / rate)} left" if rate else ""
    words = f"{progress.done} of {progress.total} · {rate:.1f} a second{left}"
    cards = "".join(_card(photo, stages, address, None, current=False) for photo in progress.latest) if stages else ""
    grid = f'<ol class="grid small" aria-label="Just encoded">{cards}</ol>' if cards else ""
    return _progress(title, words, progress, note) + grid


def report(done: IngestReport, gallery: str) -> str:
    """What became of the files of one upload."""
    lines = [f"<b>{done.added}</b> {photos_word(done.added)} added to “{escape(gallery)}”"]
    if done.added:
        lines.append(f"{done.images_per_second:.1f} a second, {percent(1 - done.mean_macs_share)} of the work saved")
    if done.duplicates:
        lines.append(f"{done.duplicates} {'was' if done.duplicates == 1 else 'were'} here already")
    skipped = ""
    if done.skipped:
        rows = "".join(
            f"<li><span>{escape(skip.file)}</span><span>{escape(skip.reason)}</span></li>" for skip in done.skipped
        )
        files = "file was" if len(done.skipped) == 1 else "files were"
        skipped = f"<h3>{len(done.skipped)} {files} left out</h3><ul>{rows}</ul>"
    return f'<div class="report" role="status"><p>{" · ".join(lines)}</p>{skipped}</div>'


def note(title: str, sentence: str) -> str:
    """A panel that has nothing to show yet, and what to do about it."""
    return f'<div class="note"><h2>{escape(title)}</h2><p>{escape(sentence)}</p></div>'


def problem(sentence: str) -> str:
    """Something went wrong, in a sentence."""
    return f'<div class="note problem" role="alert"><h2>That did not work</h2><p>{escape(sentence)}</p></div>'


def skeleton(cards: int = 12) -> str:
    """The grid before anything is known."""
    return f'<div class="grid skeleton" aria-hidden="true">{"<span><i></i><i></i></span>" * cards}</div>'


def percent(share: float) -> str:
    """A share in whole percent."""
    return f"{share * 100:.0f} %"


def saved(photo: Photo) -> str:
    """What a photo spared the encoder, in words; gates cost a little too."""
    spared = round(100 * (1 - photo.macs_share))
    if spared < 0:
        return f"{-spared} % extra"
    return f"{spared} % saved" if spared else "nothing saved"


def share_of_macs(macs: int, full_macs: int) -> str:
    """Work done out of the full encoder's, in the unit that fits the latter."""
    for unit, size in (("GMACs", 10**9), ("MMACs", 10**6), ("kMACs", 10**3)):
        if full_macs >= size / 10:
            return f"{macs / size:.2f} of {full_macs / size:.2f} {unit}"
    return f"{macs} of {full_macs} MACs"


def duration(seconds: float) -> str:
    """A time to wait, roughly."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def described(file: str) -> str:
    """A file name as words, for those who cannot see the photo."""
    words = PurePath(file).stem.replace("-", " ").replace("_", " ").strip()
    return f"Photo: {words or file}"


def photos_word(count: int) -> str:
    """Singular or plural."""
    return "photo" if count == 1 else "photos"


def _card(photo: Photo, stages: Stages, address: Address, score: float | None, current: bool) -> str:
    similarity = f"<b>{score:.2f}</b>" if score is not None else ""
    return (
        f'<li><button type="button" class="hit" data-photo="{photo.id}"{" aria-current=true" if current else ""}>'
        f'<img src="{escape(address(photo, "grid"))}" alt="{escape(described(photo.file))}" decoding="async">'
        f"{strip(stages, photo.exit)}"
        f'<span class="numbers">{similarity}<span>exit {photo.exit}/{photo.exits}</span>'
        f"<span>{saved(photo)}</span></span></button></li>"
    )


def _placed(stages: Stages, counts: Sequence[int]) -> list[tuple[tuple[int, float], int, int]]:
    """Each exit with its place along the strip, its count and the row of its mark."""
    places = positions(stages)
    rows = lanes(list(places.values()))
    return list(zip(places.items(), counts, rows, strict=True))


def _rows(stages: Stages) -> int:
    return 1 + max(lanes(list(positions(stages).values())))


def _marks(photo: Photo, stages: Stages, gates: Sequence[float]) -> str:
    """The exits under a photo's strip, each with its gate's probability where the photo came by."""
    places = positions(stages)
    marks = []
    for (exit, place), lane in zip(places.items(), lanes(list(places.values())), strict=True):
        reached = "" if exit <= photo.exit else " none"
        here = " here" if exit == photo.exit else ""
        gate = (
            f"{gates[exit - 1]:.2f}".removeprefix("0") if exit <= len(gates) else "end" if exit == photo.exits else ""
        )
        marks.append(
            f'<span class="mark{reached}{here}" style="left:{place:.2%};--lane:{lane}"><b>{exit}</b>{gate}</span>'
        )
    # The names of the two rows stand where the strip has no exits yet.
    key = '<span class="key"><b>exit</b>gate</span>' if min(places.values()) > 0.2 else ""
    return f'<div class="marks" aria-hidden="true" style="--lanes:{_rows(stages)}">{key}{"".join(marks)}</div>'


def _sights(photo: Photo, gates: Sequence[float]) -> str:
    """At each exit reached: the gate, and the guide texts that fitted best."""
    rows = []
    for exit, phrases in enumerate(photo.phrases, start=1):
        gate = f"gate {gates[exit - 1]:.2f}" if exit <= len(gates) else "no gate"
        (first, share), *others = phrases or (("nothing", 0.0),)
        rest = "".join(f" <span>{escape(text)} {percent(part)}</span>" for text, part in others)
        here = " class=here" if exit == photo.exit else ""
        rows.append(
            f'<li{here}><span class="exit">exit {exit}<small>{gate}</small></span>'
            f'<span class="phrases"><b>{escape(text_with(first, share))}</b>{rest}</span></li>'
        )
    return f'<h3>What it saw on the way</h3><ol class="sights">{"".join(rows)}</ol>' if rows else ""


def text_with(text: str, share: float) -> str:
    """A guide text and its share."""
    return f"{text} {percent(share)}"


def _progress(title: str, words: str, progress: Progress | None, note: str) -> str:
    amount = f' value="{progress.done}" max="{progress.total}"' if progress else ""
    aside = f"<p>{escape(note)}</p>" if note else ""
    return (
        f'<div class="encoding" role="status"><h2>{escape(title)}</h2>'
        f'<progress{amount} aria-label="{escape(title)}"></progress><p class="numbers">{words}</p>{aside}</div>'
    )
