"""`search`: list the photos that fit a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.library import chosen_gallery, open_library
from engine.cli.options import Json, Model, Random
from engine.cli.output import printable, say, write_json

if TYPE_CHECKING:
    from engine.gallery.types import Hit, Refinement


def search(
    text: Annotated[
        str,
        typer.Argument(
            help='What the photo shows, like "a dog catching a frisbee", or a sum, like "2:mountain + grass - snow".'
        ),
    ],
    gallery: Annotated[str | None, typer.Option(help="Gallery to search.", show_default="the one indexed last")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many photos to list.")] = 10,
    no_refine: Annotated[
        bool, typer.Option("--no-refine", help="Rank from what is indexed, without second looks.")
    ] = False,
    model: Annotated[str | None, Model] = None,
    random_weights: Annotated[bool, Random] = False,
    as_json: Json = False,
) -> None:
    """List the photos of a gallery that fit a text best, with the exit at which each left the encoder.

    Photos whose rank is in doubt get a second look first: they run deeper, and keep the result. Its cost is printed on
    stderr.
    """
    from engine.gallery.search import correct_spelling, embed_query, refine_search, search_photos
    from engine.search.query_parser import subtract_unwanted
    from engine.search.relevance import fits

    library = open_library(model, random_weights)
    collection = chosen_gallery(library, gallery)
    usual_affinity = library.encoder_of(collection).scorer.usual_affinity
    query = embed_query(library, collection, text)
    hits: list[Hit] = []
    if query is not None and no_refine:
        hits = search_photos(library, collection, query, k)
    elif query is not None:
        refined = refine_search(library, collection, query, k)
        hits = refined.hits
        for line in refinement_lines(refined):
            say(line)
    if (corrected := correct_spelling(library, subtract_unwanted(text))) != text:
        say(f"Did you mean: {printable(corrected)}")
    words = text if query is not None and query.words_only else ""
    if hits and not fits(hits[0].score, words, usual_affinity):
        say("No photo fits these words well; the nearest come first.")
    if as_json:
        write_json([hit.row() for hit in hits])
        return
    for hit in hits:
        typer.echo(hit_line(hit))
    if not hits:
        say("Nothing to show: the gallery or the text is empty.")


def refinement_lines(refined: Refinement) -> list[str]:
    """What a query ran deeper, for a person; nothing where nothing was."""
    if not refined.deepened:
        return []
    many = len(refined.deepened)
    names = {hit.photo.id: printable(hit.photo.file) for hit in refined.hits}
    lines = [
        f"{many} {'photo' if many == 1 else 'photos'} got a second look, for "
        f"{refined.macs / refined.full_macs:.1f} full encodings of compute, in {refined.seconds:.1f} s."
    ]
    for photo in refined.deepened:
        if photo.photo_id in names and photo.rank_after != photo.rank_before:
            before = "from further down" if photo.rank_before is None else f"from {photo.rank_before}"
            lines.append(
                f"  {before} to {photo.rank_after}: {names[photo.photo_id]} (exit {photo.from_exit} to {photo.to_exit})"
            )
    return lines


def hit_line(hit: Hit) -> str:
    """A hit as a line for a person."""
    photo = hit.photo
    saved = f"{1 - photo.macs_share:4.0%} saved"
    return f"{hit.rank:3}  {hit.score:.3f}  exit {photo.exit} of {photo.exits}  {saved}  {printable(photo.file)}"
