"""`reencode`: encode the photos of a gallery again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.library import chosen_gallery, open_library, read_phrases
from engine.cli.options import Budget, Json, Model, Phrases, Random
from engine.cli.output import print_report, with_rate
from engine.utils.progress import progress_bar

if TYPE_CHECKING:
    from engine.gallery.types import IngestReport


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
    from engine.gallery.reencode import reencode_gallery

    wished = read_phrases(phrases)
    library = open_library(model, random_weights)
    collection = chosen_gallery(library, gallery)
    with progress_bar("photos") as show:
        report = reencode_gallery(
            library, collection, budget, lambda progress: show(progress.done, progress.total), wished
        )
    print_report(report, as_json, reencode_sentence(report))


def reencode_sentence(report: IngestReport) -> str:
    """What was done, for a person; the compute is that of passes run now."""
    counts = f"{report.added} encoded, {report.duplicates} needed nothing, {len(report.skipped)} skipped"
    return with_rate(counts, report)
