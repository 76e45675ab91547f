"""Present mode: one key figure a screen, read from the back of a room."""

import time
from collections.abc import Sequence
from html import escape

from app.strip import Drawing, stages_strip, survival
from app.views.formatting import date, described, macs, many, percent, saved, saved_indexing, times
from app.views.viewer import Address
from engine.gallery import Agreement, GallerySummary, Photo, Race


def present(
    summary: GallerySummary,
    drawing: Drawing,
    race: Race | None,
    agreement: Agreement | None,
    query: str,
    ends: Sequence[Photo],
    address: Address,
) -> str:
    """The screens of a presentation, in a dialog.

    Args:
        agreement: of the query on show, where it was compared.
        ends: a photo that left early and one that went deep, where there are both.
    """
    screens = [_saving(summary, drawing)]
    screens += [_photo(photo, drawing, address) for photo in ends]
    screens.append(_speed(race, summary, drawing))
    screens.append(_agreement(agreement, query))
    count = len(screens)
    sections = "".join(
        f'<section class="screen" aria-label="{number} of {count}"{"" if number == 1 else " hidden"}>{screen}</section>'
        for number, screen in enumerate(screens, start=1)
    )
    return (
        f'<dialog class="present" aria-label="Presentation" data-at="{time.time()}">{sections}'
        '<footer><button type="button" data-event="back" aria-label="Back">←</button>'
        f'<span class="page">1 / {count}</span>'
        '<button type="button" data-event="on" aria-label="On">→</button>'
        '<button type="button" data-event="leave">Leave <kbd>Esc</kbd></button></footer></dialog>'
    )


def _screen(figure: str, words: str, drawn: str, small: str) -> str:
    return f'<p class="big">{figure}</p><p class="words">{words}</p>{drawn}<p class="small">{small}</p>'


def _saving(summary: GallerySummary, drawing: Drawing) -> str:
    if not summary.photos:
        return _screen("0", "photos in this gallery", "", "Add some, and present what they did not need.")
    return _screen(
        saved_indexing(summary),
        "of the full encoder’s compute saved",
        survival(drawing, summary.exits, "Each stage, filled up to the share of photos that ran it"),
        f"{escape(summary.name)}: {many(summary.photos)}, {macs(summary.macs_index, summary.full_macs)}. "
        "Filled was computed, hollow was not needed.",
    )


def _photo(photo: Photo, drawing: Drawing, address: Address) -> str:
    left = "went all the way" if photo.exit == photo.exits else f"left at exit {photo.exit} of {photo.exits}"
    drawn = (
        f'<img src="{escape(address(photo, "large"))}" alt="{escape(described(photo.file))}" loading="lazy">'
        f"{stages_strip(drawing, photo.macs_share, f'Stages of the encoder: this photo {left}')}"
    )
    figure, *words = saved(photo).rsplit(" ", 1)
    return f'<div class="pair">{_screen(figure, f"{words[0]}: this photo {left}", drawn, escape(photo.file))}</div>'


def _speed(race: Race | None, summary: GallerySummary, drawing: Drawing) -> str:
    if race is None:
        return _screen("–", "speed-up not measured yet", "", "Open Compare and start a race; it takes a moment.")
    slowest = min(race.full_per_second, race.early_per_second)
    drawn = (
        f'<ol class="lanes"><li><span>stopping early</span><i style="--part:{slowest / race.early_per_second:.3f}">'
        f'</i></li><li><span>full encoder</span><i style="--part:{slowest / race.full_per_second:.3f}"></i></li></ol>'
    )
    return _screen(
        times(race.speedup),
        "as fast as the full encoder, measured: the bars are time",
        drawn,
        f"{race.early_per_second:.1f} against {race.full_per_second:.1f} images a second, "
        f"{many(race.photos)}, {date(race.at)}",
    )


def _agreement(agreement: Agreement | None, query: str) -> str:
    if agreement is None:
        return _screen("–", "agreement not measured yet", "", "Open Compare and start a race, then ask anything.")
    dots = "".join(f'<i class="{"on" if id in agreement.full else "off"}"></i>' for id in agreement.shown)
    share = percent(agreement.shared / len(agreement.full)) if agreement.full else "0 %"
    return _screen(
        f"{agreement.shared} of {len(agreement.full)}",
        "photos are what the full encoder finds",
        f'<span class="dots" role="img" aria-label="{share} the same">{dots}</span>',
        f"“{escape(query)}”: first {len(agreement.full)} of both rankings",
    )
