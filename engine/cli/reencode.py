"""`reencode`: encode the photos of a gallery again."""

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.library import chosen_gallery, open_library
from engine.cli.options import Budget, Json, Model, Phrases, Random
from engine.cli.output import print_report
from engine.utils.progress import progress_bar


def reencode(
    gallery: Annotated[str, typer.Argument(help="Gallery to encode again, from its kept pictures.")],
    budget: Annotated[float | None, Budget] = None,
    phrases: Annotated[Path | None, Phrases] = None,
    model: Annotated[str | None, Model] = None,
    random_weights: Annotated[bool, Random] = False,
    as_json: Json = False,
) -> None:
    """Encode the photos of a gallery again: for another budget, other phrases, or a changed model.

    Photos that need nothing are skipped. If you stop it (Ctrl-C), finished batches are kept; run it again to go on.
    """
    from engine.exits.phrases import phrases_of
    from engine.gallery.galleries import summarize_gallery
    from engine.gallery.reencode import reencode_gallery

    wished = phrases_of(phrases) if phrases is not None else None
    library = open_library(model, random_weights)
    collection = chosen_gallery(library, gallery)
    with progress_bar("photos") as show:
        report = reencode_gallery(
            library, collection, budget, lambda progress: show(progress.done, progress.total), wished
        )
    held = summarize_gallery(library, collection)
    ran = held.macs_index + held.macs_queries  # for second looks, too
    now = f" In all {ran / held.macs_in_full:.0%} of the full compute has run." if held.photos else ""
    counts = f"{report.added} encoded, {report.duplicates} needed nothing, {len(report.skipped)} skipped"
    print_report(report, as_json, counts, now)
