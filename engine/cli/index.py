"""`index`: encode the photos of a folder."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.library import open_library, require_photos
from engine.cli.options import Budget, Json, Model, Phrases, Random
from engine.cli.output import print_report, printable, say
from engine.utils.errors import EngineError
from engine.utils.file_names import utf8_name
from engine.utils.progress import progress_bar

if TYPE_CHECKING:
    from engine.gallery.types import GallerySummary, IngestReport
    from engine.ingest.ray_pipeline import Cluster
    from engine.ingest.upload import Upload


def index(
    folder: Annotated[
        str, typer.Argument(help="Folder of photos, with all below it, or a URI like s3://BUCKET/FOLDER.")
    ],
    gallery: Annotated[
        str | None,
        typer.Option(help="Gallery to add to; made if new.", show_default="the folder's name"),
    ] = None,
    budget: Annotated[float | None, Budget] = None,
    phrases: Annotated[Path | None, Phrases] = None,
    on: Annotated[
        str | None,
        typer.Option(help="Encode on Ray: `ray` starts a cluster on this machine, ray://HEAD:PORT uses a running one."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Encoders; needs --on.", show_default="one for each GPU, or for every 4 cores"),
    ] = None,
    model: Annotated[str | None, Model] = None,
    random_weights: Annotated[bool, Random] = False,
    as_json: Json = False,
) -> None:
    """Encode the photos of a folder and keep them in a gallery.

    Photos that the gallery has already are not encoded again. Files that cannot be read are named with the reason, and
    skipped. If you stop it (Ctrl-C), finished batches are kept; run it again to go on.
    """
    if on is not None and on.partition("://")[0] != "ray":
        raise EngineError("--on must be ray, or ray://HEAD:PORT.")
    if workers is not None and on is None:
        raise EngineError("--workers needs --on, which names the cluster.")
    from engine.exits.phrases import phrases_of
    from engine.gallery.galleries import filling, summarize_gallery
    from engine.gallery.ingest import ingest_files
    from engine.ingest.pipeline import encode_here

    uploads, name = listed(folder)
    require_photos(uploads, folder)
    wished = phrases_of(phrases) if phrases is not None else None
    library = open_library(model, random_weights)
    with ExitStack() as context:
        cluster = context.enter_context(cluster_at(on, workers, model, random_weights)) if on is not None else None
        collection = context.enter_context(filling(library, utf8_name(gallery or name)))
        show = context.enter_context(progress_bar("photos"))
        report = ingest_files(
            library,
            collection,
            uploads,
            budget=budget,
            on_progress=lambda progress: show(progress.done, progress.total),
            phrases=wished,
            encode=cluster or encode_here,
        )
    if not report.added and not report.duplicates:
        print_report(report, as_json, f"None of these {len(report.skipped)} photos could be read")
        raise typer.Exit(1)
    say_what_was_done(report, summarize_gallery(library, collection), budget, cluster, as_json)


def say_what_was_done(
    report: IngestReport, held: GallerySummary, budget: float | None, cluster: Cluster | None, as_json: bool
) -> None:
    """Print what became of the files and, where a cluster encoded them, how busy it was.

    Args: held: the gallery as it is now.  budget: that was asked for.
    """
    if budget is not None and report.duplicates and held.budget != budget:
        say("Photos that were there stay as deep as they are; `python -m engine reencode` changes their budget.")
    counts = f"{report.added} added, {report.duplicates} already there, {len(report.skipped)} skipped"
    now = f' "{printable(held.name)}" has {held.photos} {"photo" if held.photos == 1 else "photos"}.'
    if cluster is None:
        print_report(report, as_json, counts, now)
        return
    busy, many = round(cluster.busy.utilisation, 3), cluster.busy.workers
    more = f"{now} {many} {'worker' if many == 1 else 'workers'}, busy {busy:.0%} of the time."
    print_report(report, as_json, counts, more, {"utilisation": busy})


def listed(place: str) -> tuple[list[Upload], str]:
    """The files at a folder or URI, and what a gallery of them is called.

    Raises: FolderMissing; EngineError for a URI without pyarrow.
    """
    from engine.ingest.remote_files import is_uri, uri_uploads

    if is_uri(place):
        return uri_uploads(place), PurePosixPath(place.partition("://")[2]).name or "gallery"
    from engine.ingest.listing import folder_uploads

    return folder_uploads(Path(place)), Path(place).resolve().name or "gallery"


def cluster_at(
    address: str, workers: int | None, model: str | None, random_weights: bool
) -> AbstractContextManager[Cluster]:
    """A Ray cluster whose workers load the encoder that the options name; raises RayUnusable."""
    from engine.clip.factory import named
    from engine.exits.loading import load_encoder
    from engine.ingest.ray_pipeline import on_ray

    return on_ray(address, partial(load_encoder, named(model, random_weights)), workers)
