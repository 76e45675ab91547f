"""`index`: encode the photos of a folder."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.opening import open_library, own_guides
from engine.cli.options import Budget, Guides, Json, Model, Only, Random
from engine.cli.output import at_what_rate, tell
from engine.utils.progress import progress_bar

if TYPE_CHECKING:
    from engine.gallery.types import IngestReport
    from engine.ingest.ray_pipeline import Cluster
    from engine.ingest.upload import Upload


def index(
    folder: Annotated[
        str, typer.Argument(help="Folder of photos, or a URI as s3://BUCKET/FOLDER; what is below is read too.")
    ],
    gallery: Annotated[
        str | None, typer.Option(help="Gallery to add to; made if new.", show_default="the folder's name")
    ] = None,
    budget: Annotated[float | None, Budget] = None,
    guide_texts: Annotated[Path | None, Guides] = None,
    only: Annotated[bool, Only] = False,
    on: Annotated[
        str | None,
        typer.Option(help="`ray` encodes on a Ray cluster of this machine, ray://HEAD:PORT on one that runs."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="With --on: encoders.", show_default="one for each GPU, or for every 4 cores"),
    ] = None,
    model: Annotated[str | None, Model] = None,
    random_weights: Annotated[bool, Random] = False,
    as_json: Json = False,
) -> None:
    """Encode the photos of a folder and keep them in a gallery.

    A photo whose bytes are already in the gallery is not encoded again. A file that cannot be read is named with the
    reason, and the others go on. Stopping half-way (Ctrl-C) keeps every finished batch: run it again to go on.
    """
    if on is not None and on.partition("://")[0] != "ray":
        raise typer.BadParameter("--on takes ray, or ray://HEAD:PORT.")
    if workers is not None and on is None:
        raise typer.BadParameter("--workers says how many encode on a cluster; name that with --on.")
    from engine.gallery.galleries import open_gallery
    from engine.gallery.ingest import ingest_files
    from engine.ingest.pipeline import encode_here

    uploads, name = listed(folder)
    guides = own_guides(guide_texts, only)
    library = open_library(model, random_weights)
    with ExitStack() as context:
        cluster = context.enter_context(cluster_at(on, workers, model, random_weights)) if on is not None else None
        collection = open_gallery(library, gallery or name)
        show = context.enter_context(progress_bar("photos"))
        report = ingest_files(
            library,
            collection,
            uploads,
            budget=budget,
            on_progress=lambda progress: show(progress.done, progress.total),
            guides=guides,
            encode=cluster or encode_here,
        )
    if cluster is None:
        tell(report, as_json, index_sentence(report))
    else:
        busy = round(cluster.busy.utilisation, 3)
        sentence = f"{index_sentence(report)} {cluster.busy.workers} workers, busy {busy:.0%} of the time."
        tell(report, as_json, sentence, {"utilisation": busy})


def index_sentence(report: IngestReport) -> str:
    """What an ingest did, for a person."""
    counts = f"{report.added} added, {report.duplicates} already there, {len(report.skipped)} skipped"
    return at_what_rate(counts, report)


def listed(place: str) -> tuple[list[Upload], str]:
    """The files at a folder or URI, and what a gallery of them is called; raises FolderMissing, PyarrowMissing."""
    from engine.ingest.remote_files import is_uri, uri_uploads

    if is_uri(place):
        return uri_uploads(place), PurePosixPath(place.partition("://")[2]).name or "gallery"
    from engine.ingest.listing import folder_uploads

    return folder_uploads(Path(place)), Path(place).resolve().name or "gallery"


def cluster_at(
    address: str, workers: int | None, model: str | None, random_weights: bool
) -> AbstractContextManager[Cluster]:
    """A Ray cluster whose workers load the encoder that the options name; raises RayMissing, ClusterUnreachable."""
    from engine.clip.factory import named
    from engine.exits.loading import load_encoder
    from engine.ingest.ray_pipeline import on_ray

    return on_ray(address, partial(load_encoder, named(model, random_weights)), workers)
