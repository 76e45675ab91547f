"""Present mode: six screens that tell the story, read from the back of a room, and the words to say to each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from app.fidelity import ShownFidelity
from app.pictures import PictureAddress
from app.views.formatting import anew, button, described, isolated, macs, many, percent, saved
from app.views.race import dots, fairness, lanes, speed, where
from app.views.strip import Drawing, stages_strip, strip, survival
from engine.gallery import GallerySummary, Measured, Photo

MILLION = 1_000_000
HOUR = 3600  # seconds

Screen = tuple[str, str]  # HTML, and the words to say to it


@dataclass(frozen=True)
class Story:
    """The facts that the screens tell; each was measured, or is a photo's own."""

    summary: GallerySummary
    query: str
    answers: Sequence[Photo]  # to the query, best first
    easy: Photo
    hard: Photo
    measured: Measured
    fidelity: ShownFidelity
    ends_elsewhere: str = ""  # the gallery that the easy and the hard photo are of, where it is not the one on show
    elsewhere: str = ""  # the same of all of it
    before: Mapping[int, float] = field(default_factory=dict)  # what had run for answers that got a second look since


def present(story: Story, drawing: Drawing, address: PictureAddress, start: int = 1) -> str:
    """The screens of a presentation, in a dialog.

    Args: start: the screen that it opens at, from 1; another number opens the first or the last one.
    """
    screens = [
        _what_it_is(story, drawing, address),
        _easy_and_hard(story, drawing, address),
        _figure(story, drawing),
        _speed(story),
        _fidelity(story),
        _million(story),
    ]
    count = len(screens)
    start = min(max(start, 1), count)
    sections = "".join(
        f'<section class="screen" aria-label="{number} of {count}"{"" if number == start else " hidden"}>'
        f"{screen}</section>"
        for number, (screen, _) in enumerate(screens, start=1)
    )
    notes = "".join(f"<p{'' if n == start else ' hidden'}>{said}</p>" for n, (_, said) in enumerate(screens, start=1))
    notes_button = button("say", "Notes <kbd>n</kbd>", ' aria-pressed="false"')
    back, on = button("back", "←", ' aria-label="Back"'), button("on", "→", ' aria-label="On"')
    return (
        f'<dialog class="present" aria-label="Presentation" data-screen="{start}"{anew()}><div>'
        f'<div class="stage" aria-live="polite">{sections}</div>'
        f'<aside class="say" aria-label="The words to say" hidden>{notes}</aside>'
        f'<footer>{back}<span class="page">{start} / {count}</span>{on}{notes_button}'
        f"{button('leave', 'Leave <kbd>Esc</kbd>')}</footer></div></dialog>"
    )


def _what_it_is(story: Story, drawing: Drawing, address: PictureAddress) -> Screen:
    photos = "".join(
        f'<figure><img src="{escape(address(photo, "large"))}" alt="{escape(described(photo.file))}">'
        f"{strip(drawing, photo.macs_share, story.before.get(photo.id))}"
        f"<figcaption>{saved(photo)}</figcaption></figure>"
        for photo in story.answers
    )
    striped = " · striped: for this search" if any(photo.id in story.before for photo in story.answers) else ""
    asked = f"“{escape(story.query)}” among {many(story.summary.photos)}" if story.query else escape(story.summary.name)
    asked += f" of {escape(story.elsewhere)}" if story.elsewhere else ""
    real = "These are real answers" if story.query else "These are photos of this gallery"
    return (
        '<p class="title">Search your photos in words.</p>'
        '<p class="words">Easy photos stop early; hard ones get more.</p>'
        f'<div class="answers">{photos}</div>'
        f'<p class="small">{asked} · filled was computed, hollow was saved{striped}</p>',
        "An image encoder turns each photo into a vector that can be searched by words. It need not run as long for "
        f"every photo. {real}; under each one is what it cost.",
    )


def _easy_and_hard(story: Story, drawing: Drawing, address: PictureAddress) -> Screen:
    def side(photo: Photo, kind: str) -> str:
        left = "went all the way" if photo.exit == photo.exits else f"left at exit {photo.exit} of {photo.exits}"
        return (
            f'<figure><img src="{escape(address(photo, "large"))}" alt="{escape(described(photo.file))}">'
            f"{stages_strip(drawing, photo.macs_share, f'Stages of the encoder: this photo {left}')}"
            f"<figcaption><b>{kind}: {saved(photo)}</b><span>{left}</span></figcaption></figure>"
        )

    first, second = "Easy", "Hard"
    if story.easy.exit == story.hard.exit:
        first = second = "Computed alike"
    origin = f" · photos of {escape(story.ends_elsewhere)}" if story.ends_elsewhere else ""
    return (
        f'<div class="ends">{side(story.easy, first)}{side(story.hard, second)}</div>'
        f'<p class="small">A strip is the full encoder: filled was computed, hollow was not needed{origin}</p>',
        "At each exit a small module compares what the encoder has seen so far with a bank of texts. If something fits "
        "well enough, the photo leaves. If nothing does, it goes on; nothing that ran is run again.",
    )


def _figure(story: Story, drawing: Drawing) -> Screen:
    summary = story.summary
    share, name = percent(summary.macs_index / summary.macs_in_full), escape(isolated(summary.name))
    # Searches have taken some deeper since, but in the demo gallery, whose index stays.
    deeper = ", second looks included" if summary.macs_queries and summary.kind != "demo" else ""
    return (
        f'<p class="big">{share}</p>'
        f'<p class="words">of the full encoder’s compute indexed {many(summary.photos)}</p>'
        f"{survival(drawing, summary.exits, 'Each stage, filled up to the share of photos that ran it')}"
        f'<p class="small">{name}: {macs(summary.macs_index, summary.macs_in_full)}. '
        f"Each stage is filled up to the share of photos that ran it{deeper}.</p>",
        f"Indexing “{name}” took {share} of what the full encoder takes. It is counted in multiply-accumulates that "
        "really ran, not in layers. Searches are another figure, and do not change this one.",
    )


def _speed(story: Story) -> Screen:
    race = story.measured.race
    figure, words = speed(race)
    link = "as" if race.speedup >= 1 else "of"
    origin = " of the demo gallery" if story.measured.machine else ""  # the figure before may be another gallery's
    return (
        f'<p class="big">{figure}</p><p class="words">{words} {link} the full encoder, measured</p>'
        f'{lanes(race)}<p class="small">{where(story.measured)} · {fairness(race)}</p>',
        f"The same {many(race.photos)}{origin} through both, in turn, on the same machine. The full encoder manages "
        f"{race.full_per_second:.1f} photos a second, stopping early {race.early_per_second:.1f}.",
    )


def _fidelity(story: Story) -> Screen:
    found = story.fidelity
    said = f"{found.shared:.1f} of ten best matches are the full encoder’s, too"
    first = f"{found.first}. " if found.first else ""
    return (
        f'<p class="big">{found.shared:.1f} of 10</p><p class="words">best matches are the full encoder’s, too</p>'
        f"{dots(found.shared, said)}"
        f'<p class="small">{first}{found.source}</p>',
        f"What is lost by stopping early? {said}. {first}A search may then look at the few photos again whose place is "
        "in doubt; this figure is without that second look.",
    )


def _million(story: Story) -> Screen:
    race = story.measured.race
    full, early = MILLION / race.full_per_second / HOUR, MILLION / race.early_per_second / HOUR
    most = max(full, early)
    digits = 1 if early < 10 else 0  # or 2.4 hours in place of 3.3 would be 2 in place of 3

    def lane(name: str, hours: float) -> str:
        return (
            f'<li><span>{name}</span><i style="--part:{hours / most:.3f}"></i>'
            f'<b data-hours="{hours:.4f}">{hours:.1f}<small> h</small></b></li>'
        )

    return (
        f'<p class="big">{early:.{digits}f} h</p>'
        f'<p class="words">in place of {full:.{digits}f} h for a million photos</p>'
        f'<ol class="lanes still">{lane("Stopping early", early)}{lane("Full encoder", full)}</ol>'
        '<p class="price"><label>An hour of such a machine costs <input type="text" inputmode="decimal" size="7" '
        'autocomplete="off"></label> <output></output></p>'
        f'<p class="small">At the measured rates, encoding alone. {where(story.measured)}</p>',
        "The rates of the race before, for a million photos one after another on one such machine. Reading files "
        "comes on top on both sides. Type what an hour costs you, and both prices stand there.",
    )
