"""The library of this data folder, and what a command's options choose in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.output import printable
from engine.utils.errors import EngineError
from engine.utils.file_names import utf8_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.exits.encoder import Encoder
    from engine.gallery.library import Library
    from engine.ingest.upload import Upload


def open_library(model: str | None, random_weights: bool) -> Library:
    """The library of this data folder; the encoder is loaded when a command first needs it."""
    from engine.gallery.library import Library

    return Library.open(lambda: chosen_encoder(model, random_weights))


def chosen_encoder(model: str | None, random_weights: bool) -> Encoder:
    """The encoder that the options name, the shipped one without any."""
    from engine.clip.factory import named
    from engine.exits.loading import load_encoder

    return load_encoder(named(model, random_weights))


def chosen_gallery(library: Library, name: str | None) -> int:
    """The id of the gallery of that name, or of the one indexed last, never a visitor's; raises GalleryMissing."""
    from engine.gallery.galleries import find_gallery, latest_gallery, list_galleries
    from engine.storage.schema import GalleryMissing

    found = latest_gallery(library) if name is None else find_gallery(library, utf8_name(name))
    if found is not None:
        return found
    own = (found for found in list_galleries(library) if found.kind == "gallery" and found.owner is None)
    names = ", ".join(f'"{printable(gallery.name)}"' for gallery in own)
    if name is None or not names:
        raise GalleryMissing("Nothing is indexed yet: make a gallery with `python -m engine index FOLDER`.")
    raise GalleryMissing(f'There is no gallery "{name}"; there are: {names}.')


def require_photos(uploads: Sequence[Upload], place: str | Path) -> None:
    """Raise EngineError where nothing was found at a folder or URI."""
    if not uploads:
        raise EngineError(
            f"There is no picture in {place}, nor in any folder below it; name a folder that holds photos."
        )
