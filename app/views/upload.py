"""Photos on their way into a gallery, and what became of them."""

from html import escape

from app.pictures import PictureAddress
from app.uploading.incoming import Incoming
from app.views.encoding import files_left_out, latest, left_out, progress_bar
from app.views.formatting import button, duration, grouped, in_line, isolated, many, out_of, percent, photos_word
from app.views.strip import Drawing
from engine.gallery import Progress, Visitors

DROP_ZONE = (
    '<div class="zone"><p>Drop photos, folders or ZIP archives here, or anywhere on the page.</p>'
    '<p class="actions"><label class="choose">Choose photos<input type="file" multiple></label>'
    '<label class="choose">Choose a folder<input type="file" webkitdirectory></label></p></div>'
)
# Of strangers, whose galleries are theirs by what their browser keeps; shown where it keeps nothing (app/scripts.py).
NOTHING_KEPT = (
    '<p class="forgotten"><b>Your browser keeps nothing for this page here.</b> Once it is loaded anew, photos that '
    'you added are out of your reach. If it stands in a frame, <a href="./" target="_blank">open it by itself</a>.</p>'
)
DETAILS, DISMISS = button("look", "Details"), button("dismiss", "Dismiss")


def keeping(visitors: Visitors | None) -> str:
    """Where photos are kept, how many, and for how long.

    Args: visitors: where strangers come.
    """
    if visitors is None:
        return "They stay on this machine."
    may = visitors.limits
    return (
        "They are kept on the computer that serves this page, for you alone unless you share their gallery: at most "
        f"{many(may.photos)}, {may.bytes / 2**30:g} GB and {may.galleries} galleries, until you delete them or stay "
        f"away for {may.days:g} days."
    )


def field(gallery: str) -> str:
    """What letting go of files over the page does."""
    return f"Add to “{escape(isolated(gallery))}”"


def coming(incoming: Incoming, drawing: Drawing | None, address: PictureAddress) -> str:
    """An upload on its way: how far, how fast, and the photos that came last; see `latest`."""
    title = f"Adding to “{isolated(incoming.name)}”"
    if incoming.place:
        return progress_bar(title, in_line(incoming.place))
    done, total, rate, left = incoming.done, incoming.total, incoming.rate(), incoming.seconds_left()
    words = [out_of(done, total)]
    if rate:
        words.append(f"{rate:.1f} a second")
    if left is not None and done < total:
        words.append(f"about {duration(left)} left")
    if incoming.here < len(incoming.files):
        files = "file has" if len(incoming.files) == 1 else "files have"
        words.append(f"{out_of(incoming.here, len(incoming.files))} {files} arrived")
    progress = Progress(done, total, ()) if total else None
    return progress_bar(title, " · ".join(words), progress) + latest(incoming.latest, drawing, address)


def report(incoming: Incoming) -> str:
    """What became of an upload that is over; it stays until it is read, see `Incoming.read`."""
    line = " · ".join([_added(incoming), *_figures(incoming)])
    return (
        f'<div class="report" data-state="{incoming.state}"><p role="status">{line}</p>{_rest(incoming)}'
        f'<p class="actions">{_show(incoming)}{DISMISS}</p>{left_out(incoming.skipped)}</div>'
    )


def line(incoming: Incoming) -> str:
    """The same upload in one line, for the other tabs; the page's script reads from it what it may send.

    One that its visitor has seen come in whole is hidden.
    """
    if incoming.over:
        buttons = f"{_show(incoming)}{'' if incoming.whole else DETAILS}{DISMISS}"
        words, missing = _added(incoming), incoming.missing()
        if incoming.skipped:
            words += f" · {files_left_out(len(incoming.skipped))}"
        if missing:
            words += f" · {_not_here(incoming, len(missing))}"
    else:
        buttons, left = DETAILS, incoming.seconds_left()
        words = f"Adding to “{escape(isolated(incoming.name))}”: {out_of(incoming.done, incoming.total)}"
        words += f" · about {duration(left)} left" if left is not None and incoming.done < incoming.total else ""
    return (
        f'<p class="arriving" data-upload="{incoming.id}" data-nonce="{escape(incoming.nonce)}" '
        f'data-state="{incoming.state}"{" hidden" if incoming.seen else ""}><span>{words}</span>'
        f'<span class="doing">{buttons}</span></p>'
    )


def refused(sentence: str, nonce: str) -> str:
    """An upload that was not begun."""
    return (
        f'<p class="arriving" role="alert" data-nonce="{escape(nonce)}" data-state="failed">'
        f"<span>{escape(sentence)}</span></p>"
    )


def _show(incoming: Incoming) -> str:
    if not incoming.added and not incoming.duplicates:
        return ""
    return button("show", "Show the gallery", gallery=incoming.gallery)


def _added(incoming: Incoming) -> str:
    name, added = escape(isolated(incoming.name)), incoming.added
    if added:
        return f"<b>{grouped(added)}</b> {photos_word(added)} added to “{name}”"
    if incoming.duplicates and not incoming.skipped:
        return f"Nothing new for “{name}”"
    return f"No photo was added to “{name}”"


def _figures(incoming: Incoming) -> list[str]:
    words = [f"{percent(1 - incoming.macs_share)} of the compute saved"] if incoming.added else []
    if incoming.duplicates:
        words.append(f"{grouped(incoming.duplicates)} {'was' if incoming.duplicates == 1 else 'were'} here already")
    return words


def _rest(incoming: Incoming) -> str:
    """What did not come, by name, and what to do about it."""
    failed = f"<p><b>It ended early.</b> {escape(incoming.problem)}</p>" if incoming.problem else ""
    missing = incoming.missing()
    if not missing:
        return failed
    names = "".join(f"<li><span>{escape(name)}</span></li>" for name in missing)
    return (
        f"{failed}<p><b>{_not_here(incoming, len(missing))}</b></p>"
        f'<details class="missing"><summary>Which</summary><ul tabindex=0>{names}</ul></details>'
    )


def _not_here(incoming: Incoming, count: int) -> str:
    files = "1 file was" if count == 1 else f"{grouped(count)} files were"
    if incoming.state == "left":
        files = "1 file had" if count == 1 else f"{grouped(count)} files had"
        return f"{files} not arrived. Drop the same files again: only those are sent."
    reason = "when you stopped it" if incoming.state == "stopped" else "when it ended"
    return f"{files} not taken in {reason}. Drop the same files again: only those are sent."
