"""The albums of a gallery as columns of photos, those in doubt in a pile first in line."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from app.pictures import PictureAddress
from app.views.formatting import anew, button, described, grouped, isolated, many, percent
from app.views.strip import Drawing, strip
from app.views.viewer import about
from engine.gallery import LONGEST_NAME, Album, Photo, SortedGallery, SortedPhoto

UNSURE = 0.5  # the pile takes photos whose album is less probable than that
PAGE = 12  # photos of a column at first; twice as many with every "more", for the whole board is sent anew
MOST_UNFOLDED = 7  # times: far more photos make a browser slow
PILE, NO_ALBUM = "?", "-"  # keys of columns that are no albums; those of albums begin with "="
SORTING = '<p class="answer busy" role="status">Photos are being sorted …</p>'
BUSY = '<p class="answer busy" role="status">Sorted from what is stored; photos in doubt are looked at again …</p>'


@dataclass(frozen=True)
class Column:
    """Photos that stand together."""

    key: str
    title: str
    photos: Sequence[SortedPhoto]  # those on show
    all: int
    album: Album | None
    sought: str  # words that its photos are ranked by
    meant: str = ""  # what was probably meant by words that no photo fits


def key_of(album: str | None) -> str:
    """The key of an album's column."""
    return NO_ALBUM if album is None else f"={album}"


def is_key(key: str) -> bool:
    """Whether a column may have that key."""
    return key in (PILE, NO_ALBUM) or (key.startswith("=") and len(key) <= len("=") + LONGEST_NAME)


def columns(
    found: SortedGallery, unfolded: Mapping[str, int], ranked: Mapping[str, Sequence[int]], sought: Mapping[str, str]
) -> list[Column]:
    """What stands in which column: the pile, the albums in their order, none of them.

    Args:
        unfolded: how often more of a column was asked for.
        ranked: photos of columns that were searched, best first.  sought: the words that they were searched for.
    """
    pile = sorted((p for p in found.photos if is_unsure(p)), key=lambda p: p.probability)
    made: list[tuple[str, str, list[SortedPhoto], Album | None]]
    made = [(PILE, "In doubt", pile, None)] if pile and found.albums else []
    for album in (*found.albums, None):
        photos = [photo for photo in found.of(album.name if album else None) if not is_unsure(photo)]
        key = key_of(album.name if album else None)
        if key in ranked:
            places = {photo: place for place, photo in enumerate(ranked[key])}
            photos = sorted(photos, key=lambda photo: places.get(photo.id, len(places)))
        made.append((key, album.name if album else "None of these", photos, album))
    return [
        Column(key, title, photos[: PAGE * 2 ** unfolded.get(key, 0)], len(photos), album, sought.get(key, ""))
        for key, title, photos, album in made
    ]


def is_unsure(photo: SortedPhoto) -> bool:
    """Whether a person had better look where a photo belongs."""
    return not photo.by_hand and photo.probability < UNSURE


def board(shown: Sequence[Column], pictures: Mapping[int, Photo], drawing: Drawing, address: PictureAddress) -> str:
    """The columns; pictures of those photos that are on show, by their numbers."""
    names = [column.album.name for column in shown if column.album is not None]
    parts = [_column(column, names, pictures, drawing, address) for column in shown]
    return f'<div class="albums" data-albums="{escape(json.dumps(names))}">{"".join(parts)}</div>'


def empty(aside: bool) -> str:
    """No album has been made yet."""
    stay = " They are yours alone; this browser finds them again until the program is started anew." if aside else ""
    return (
        '<div class="note"><h2>Sort your photos by words</h2><p>Type what an album holds, and press Enter: photos fall '
        f"into it at once. Those in doubt are then computed deeper.{stay}</p></div>"
    )


def line(found: SortedGallery, looked: int | None, undo: bool, spent: bool) -> str:
    """What the sort cost, and the way back.

    Args:
        looked: photos that got a second look; None where those on show were not asked for any.
        spent: no photo more could get one, whatever its doubt.
    """
    back = f"<span>{button('undo', 'Undo')}</span>" if undo else ""
    if not found.photos or not found.albums:
        return f'<div class="answer">{back}</div>' if undo else ""
    again = "" if looked is None else f"; {many(looked) if looked else 'no photo'} needed a second look"
    if spent:
        again = f"; {f'{many(looked)} got a second look, and ' if looked else ''}the budget for second looks is spent"
    return (
        f'<div class="answer" role="status"><div>Sorted: <b>{percent(found.mean_macs_share)}</b> of the full compute '
        f"has run so far{again}.</div>{back}</div>"
    )


def looking(looked: int) -> str:
    """Photos are being run deeper."""
    return f'<p class="answer busy" role="status">{many(looked)} looked at again so far …</p>' if looked else BUSY


def proposals(texts: Sequence[str]) -> str:
    """Albums that would fit the gallery."""
    buttons = "".join(button("propose", escape(text), album=text) for text in texts)
    return f'<div class="examples"><span>Albums to try</span>{buttons}</div>' if texts else ""


def _column(
    column: Column, names: Sequence[str], pictures: Mapping[int, Photo], drawing: Drawing, address: PictureAddress
) -> str:
    cards = [
        _card(photo, column, pictures[photo.id], drawing, address) for photo in column.photos if photo.id in pictures
    ]
    shown, rest = len(column.photos), column.all - len(column.photos)
    more = button("unfold", f"{min(shown, rest)} more", ' class="more"', key=column.key)
    if shown >= PAGE * 2**MOST_UNFOLDED:
        more = f'<p class="rest">{many(rest)} are not shown.</p>'
    title = f"{isolated(column.title)}, {many(column.all)}"
    why = "No photo fits it." if column.album else "No photo is left."
    nothing = f'<p class="said">{why}</p>' if not column.all else ""
    if column.meant:
        meant = button("propose", escape(column.meant), album=column.meant)
        nothing += f'<div class="examples"><span>Did you mean</span>{meant}</div>'
    return (
        f'<section class="album{" pile" if column.key == PILE else ""}" data-key="{escape(column.key)}" '
        f'aria-label="{escape(title)}"><header><h2>{escape(isolated(column.title))} '
        f"<small>{grouped(column.all)}</small></h2>{_menu(column, names)}</header>"
        f"{_seek(column) if column.key != PILE and column.all > 1 else ''}{nothing}"
        f"<ol>{''.join(cards)}</ol>{more if rest > 0 else ''}</section>"
    )


def _menu(column: Column, names: Sequence[str]) -> str:
    """Rename, merge and delete an album."""
    if column.album is None:
        return ""
    name = escape(column.album.name)
    others = "".join(f"<option>{escape(other)}</option>" for other in names if other != column.album.name)
    merge = (
        f'<label>Merge into <select data-merge="{name}"><option value="">choose …</option>{others}</select></label>'
        + button("merge", "Merge")
        if others
        else ""
    )
    return (
        f'<details class="album-menu"><summary aria-label="Change the album {isolated(name)}">⋯</summary><div>'
        f'<p class="said">{escape(column.album.line())}</p>'
        f'<label>Name <input value="{name}" maxlength="{LONGEST_NAME}" data-rename="{name}"></label>{merge}'
        f"{button('pack', 'Download as ZIP', album=column.album.name)}"
        f"{button('remove', 'Delete the album', album=column.album.name)}</div></details>"
    )


def packed(album: str, photos: Sequence[Photo], address: PictureAddress) -> str:
    """What the page's script fetches the ZIP of an album by: the photos in it by their addresses."""
    addresses = " ".join(address(photo, "large") for photo in photos)
    return f'<i hidden data-zip="{escape(addresses)}" data-name="{escape(album)}"{anew()}></i>'


def _seek(column: Column) -> str:
    return (
        f'<input type="search" class="seek" placeholder="Search in it" value="{escape(column.sought)}" maxlength="500" '
        f'data-seek="{escape(column.key)}" aria-label="Search in {escape(isolated(column.title))}">'
    )


def _card(photo: SortedPhoto, column: Column, picture: Photo, drawing: Drawing, address: PictureAddress) -> str:
    """A photo with its strip, how sure its album is, and the menu that moves it; a click opens it in the viewer.

    The picture is no button element, for which some browsers would not drag the photo.
    """
    sure = "by hand" if photo.by_hand else f"{percent(photo.probability)} sure"
    if column.key == PILE:
        sure = f"{escape(isolated(photo.album or 'none of these'))}? {sure}"
    name = escape(described(picture.file))
    return (
        f'<li draggable="true" data-photo="{photo.id}"><img role="button" tabindex="0" data-photo="{photo.id}"'
        f'{about(picture, address)} src="{escape(address(picture, "grid"))}" alt="{name}" width="4" height="3"'
        f' loading="lazy" decoding="async" draggable="false">{strip(drawing, photo.macs_share)}'
        f'<span class="numbers"><span>{sure}</span><select class="move" aria-label="Move {name}">'
        '<option value="">Move ▾</option></select></span></li>'
    )
