"""`galleries`: list what is indexed; rename or delete one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.library import chosen_gallery, open_library
from engine.cli.options import Json
from engine.cli.output import printable, say, write_json
from engine.utils.errors import EngineError
from engine.utils.file_names import utf8_name

if TYPE_CHECKING:
    from engine.gallery.types import GallerySummary


def galleries(
    rename: Annotated[
        tuple[str, str] | None, typer.Option(metavar="OLD NEW", help="Give the gallery OLD the name NEW.")
    ] = None,
    delete: Annotated[
        str | None,
        typer.Option(help="Delete this gallery and all that is kept of its photos; your own files stay."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the galleries of this data folder, the one indexed last first; those of visitors are left out."""
    from engine.gallery.galleries import delete_gallery, list_galleries, rename_gallery

    if rename and delete:
        raise EngineError("Rename one gallery or delete one, and then the other.")
    library = open_library(None, random_weights=False)
    if rename:
        rename_gallery(library, chosen_gallery(library, rename[0]), utf8_name(rename[1]))
    if delete:
        delete_gallery(library, chosen_gallery(library, delete))
    found = [one for one in list_galleries(library) if one.kind == "gallery" and one.owner is None]
    if as_json:
        shown = ("name", "photos", "waiting", "by_other_phrases", "saved_share", "budget", "model")
        write_json([{name: getattr(one, name) for name in shown} for one in found])
        return
    for one in found:
        typer.echo(_line(one))
    if not found:
        say("There is no gallery yet: make one with `python -m engine index FOLDER`.")


def _line(one: GallerySummary) -> str:
    waiting = [f"{one.waiting} {'waits' if one.waiting == 1 else 'wait'} to be encoded"] if one.waiting else []
    anew = [f"{one.by_other_phrases} to be encoded anew"] if one.by_other_phrases else []
    saved = [f"{one.saved_share:4.0%} saved"] if one.photos else []
    return "  ".join(filter(None, (f"{one.photos:7}", ", ".join(saved + waiting + anew), printable(one.name))))
