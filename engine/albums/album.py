"""Albums of a gallery: named sets of phrases, and what was moved by hand. Pure: every change gives a new set."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain

from engine.utils.errors import EngineError

MOST_ALBUMS = 100
MOST_PHRASES = 200  # of all albums of a gallery together
LONGEST_NAME = 80
LONGEST_PHRASE = 200  # characters; the model reads about thirty words
NOT = "not "  # what a phrase begins with that an album's photos do not show
CUT = "…"  # ends a name that was made of a phrase
NONE = "none of these"  # what stands for no album, where one would be named
DOUBT = "in doubt"  # what the pile of photos is called whose album is not sure
# What a name alone stands for where phrases hold more of the val sets' photos than it does.
KINDS = {
    "food": "food on a plate, a dish of food, fruit, vegetables, bread, a cake or a dessert, a drink in a glass, a cup "
    "of coffee, a bowl of soup, meat, a packet of food, a bottle or a carton of drink",
    "plants": "a plant, a flower, a tree, leaves, grass, a field of crops, a cactus, a mushroom, a bush, a houseplant",
}


class AlbumsRejected(EngineError):
    """Albums that cannot be made, or a change that cannot be, and why."""


@dataclass(frozen=True)
class Album:
    """A name, what its photos show, and what they do not."""

    name: str
    phrases: tuple[str, ...]
    unlike: str = ""  # a photo that fits this better is not of the album
    merged: tuple[int, ...] = ()  # how many of its phrases each album has brought that it was merged of

    @property
    def parts(self) -> tuple[tuple[str, ...], ...]:
        """Its phrases, those of each album that it was merged of together."""
        ends = list(accumulate(self.merged or (len(self.phrases),)))
        return tuple(self.phrases[begin:end] for begin, end in zip([0, *ends], ends, strict=False))

    def line(self) -> str:
        """The album as a person types it; `album_of` reads it."""
        unlike = (f"{NOT}{self.unlike}",) if self.unlike else ()
        if self.phrases == (self.name,) and not unlike:
            return self.name
        return f"{self.name}: {', '.join((*self.phrases, *unlike))}"


@dataclass(frozen=True)
class Move:
    """A photo that was put into an album by hand: it stays there, and is an example of it."""

    photo: int
    album: str | None  # None: into none of them


@dataclass(frozen=True)
class AlbumSet:
    """The albums of a gallery in their order, and the moves in theirs."""

    albums: tuple[Album, ...] = ()
    moves: tuple[Move, ...] = ()

    def __post_init__(self) -> None:
        if len(self.albums) > MOST_ALBUMS:  # first: the number of names that are compared is bounded then
            raise AlbumsRejected(f"A gallery has {MOST_ALBUMS} albums at most, and these are more.")
        names = [album.name.casefold() for album in self.albums]
        if twice := next((a.name for a in self.albums if names.count(a.name.casefold()) > 1), None):
            raise AlbumsRejected(f'Two albums are named "{twice}"; give one of them another name.')
        phrases = sum(len(album.phrases) + bool(album.unlike) for album in self.albums)
        if phrases > MOST_PHRASES:
            raise AlbumsRejected(f"These are {phrases} phrases; the albums of a gallery have {MOST_PHRASES} at most.")

    def place(self, name: str | None) -> int:
        """The place of an album by its name, of none after all; raises AlbumsRejected."""
        if name is None:
            return len(self.albums)
        for place, album in enumerate(self.albums):
            if album.name.casefold() == name.casefold():
                return place
        raise AlbumsRejected(f'There is no album "{name}"; it may have been renamed or deleted meanwhile.')

    def by_hand(self) -> dict[int, str | None]:
        """The album of every photo that was moved, by the photo's number."""
        return {move.photo: move.album for move in self.moves}

    def with_albums(self, albums: Iterable[Album]) -> "AlbumSet":
        """With albums added behind the others; those of a name that is there already take its place, moves stay.

        Raises: AlbumsRejected where a name was cut off a phrase (`album_of`), and is that of another phrase's album.
        """
        found = list(self.albums)
        for album in albums:
            names = [other.name.casefold() for other in found]
            if album.name.casefold() in names:
                place = names.index(album.name.casefold())
                if album.name.endswith(CUT) and album.phrases != found[place].phrases:  # a name that nobody chose
                    raise AlbumsRejected(f'There is an album "{album.name}"; put a short name and a colon before this.')
                same = _folded(album) == _folded(found[place])
                found[place] = found[place] if same else replace(album, name=found[place].name)
            else:
                found.append(album)
        return replace(self, albums=tuple(found))

    def renamed(self, name: str, new: str) -> "AlbumSet":
        """With another name for an album; its phrases stay."""
        old, new = self.albums[self.place(name)].name, checked_name(new)
        if any(album.name.casefold() == new.casefold() != old.casefold() for album in self.albums):
            raise AlbumsRejected(f'There is an album "{new}" already; choose another name, or merge the two.')
        albums = tuple(replace(a, name=new) if a.name == old else a for a in self.albums)
        return AlbumSet(albums, self._moved_along({old: new}))

    def merged(self, name: str, into: str) -> "AlbumSet":
        """With one album gone into another, as a part of it: its phrases and its moves, too."""
        gone, kept = self.albums[self.place(name)], self.albums[self.place(into)]
        if gone == kept:
            raise AlbumsRejected("An album cannot be merged into itself; choose another one.")
        parts = (*kept.parts, *gone.parts)
        both = replace(kept, phrases=tuple(chain(*parts)), merged=tuple(map(len, parts)))
        albums = tuple(both if a == kept else a for a in self.albums if a != gone)
        return AlbumSet(albums, self._moved_along({gone.name: kept.name}))

    def deleted(self, name: str) -> "AlbumSet":
        """Without an album; photos that were moved into it go where they were moved before, or the words send them."""
        gone = self.albums[self.place(name)]
        albums = tuple(album for album in self.albums if album != gone)
        return AlbumSet(albums, tuple(move for move in self.moves if move.album != gone.name))

    def moved(self, photos: Iterable[int], name: str | None) -> "AlbumSet":
        """With photos put into an album by hand, or into none; the last move of a photo counts."""
        album = None if name is None else self.albums[self.place(name)].name
        return replace(self, moves=(*self.moves, *(Move(photo, album) for photo in dict.fromkeys(photos))))

    def _moved_along(self, names: Mapping[str, str]) -> tuple[Move, ...]:
        return tuple(replace(m, album=names.get(m.album, m.album)) if m.album else m for m in self.moves)


def album_of(line: str) -> Album:
    """An album as a person types it: a phrase, or `name: phrase, phrase, not phrase`; raises AlbumsRejected."""
    if kinds := KINDS.get(line.strip().casefold()):
        line = f"{line}: {kinds}"
    name, colon, rest = line.partition(":")
    if not colon and any(part.strip().casefold().startswith(NOT) for part in line.split(",")):
        name, colon, rest = line.partition(",")[0], ":", line  # as in `night, not day`
    if not colon and len(phrase := _one_line(line).replace(",", "")) > LONGEST_NAME:
        return made(f"{phrase[: LONGEST_NAME - 1].rsplit(' ', 1)[0]}{CUT}", [phrase])
    said = [part.strip() for part in rest.split(",")] if colon else [line.strip()]
    unlike = [part[len(NOT) :].strip() for part in said if part.casefold().startswith(NOT)] if colon else []
    phrases = [part for part in said if not (colon and part.casefold().startswith(NOT))]
    return made(name if colon else line, phrases, unlike)


def made(name: object, phrases: Sequence[object], unlike: Sequence[object] = ()) -> Album:
    """An album whose name and phrases can be used; raises AlbumsRejected.

    Args: unlike: a phrase that its photos do not show, or none.
    """
    called = checked_name(name)
    if len(unlike) > 1:
        raise AlbumsRejected(f'The album "{called[:40]}" has {len(unlike)} phrases with "not"; one is possible.')
    if not phrases:
        raise AlbumsRejected(f'The album "{called}" has no phrase; say what its photos show.')
    if len(phrases) > MOST_PHRASES:  # before any is looked at
        raise AlbumsRejected(f'The album "{called}" has {len(phrases)} phrases; {MOST_PHRASES} are possible at most.')
    return Album(
        called,
        tuple(dict.fromkeys(_checked(phrase, called) for phrase in phrases)),
        _checked(unlike[0], called) if unlike and unlike[0] else "",
    )


def checked_name(name: object) -> str:
    """A name that is safe to show: one line, without controls and direction marks; raises AlbumsRejected."""
    line = _one_line(name)
    if not line:
        raise AlbumsRejected("An album needs a name; type a few words.")
    if len(line) > LONGEST_NAME:
        raise AlbumsRejected(f'"{line[:40]}…" is over {LONGEST_NAME} characters; a name is shorter.')
    if line.casefold() in (NONE, DOUBT):
        raise AlbumsRejected(f'"{line}" is the name of a column already; choose another name.')
    return line


def _folded(album: Album) -> tuple[str, ...]:
    """An album's words, capitals aside."""
    return tuple(words.casefold() for words in (*album.phrases, album.unlike))


def _checked(phrase: object, name: str) -> str:
    words = _one_line(phrase)
    if not words:
        raise AlbumsRejected(f'A phrase of the album "{name}" is empty; say what its photos show.')
    if len(words) > LONGEST_PHRASE:
        raise AlbumsRejected(f'"{words[:40]}…" is over {LONGEST_PHRASE} characters; say it in a few words.')
    return words


def _one_line(typed: object) -> str:
    """A text on one line, without controls and direction marks; "" for what is no text."""
    line = " ".join(typed.split()) if isinstance(typed, str) else ""
    return "".join(c for c in line if unicodedata.category(c)[0] != "C").strip()
