"""`evaluate-albums`: accuracy and fidelity of albums against compute."""

import json
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Json, Model
from engine.cli.output import say, write_json
from engine.utils.errors import EngineError


def evaluate_albums(
    sets: Annotated[
        list[str], typer.Argument(help="Data sets as FOLDER:SPLIT; labelled photos are sorted where it has some.")
    ],
    cache: Annotated[Path, typer.Option(help="Folder that keeps what the exits make of photos.")] = Path("runs/albums"),
    out: Annotated[
        Path | None, typer.Option(help="Also write a table and a page: this name with .json and .md.")
    ] = None,
    model: Annotated[str | None, Model] = None,
    as_json: Json = False,
) -> None:
    """Measure how albums are sorted, by margin and otherwise, against compute, and what corrections teach.

    Captioned photos are sorted into the albums of engine/evaluation/flickr8k_albums.yaml, labelled ones into lots of
    their labels; corrections are measured on the split `unseen`. Nothing is trained or chosen.
    """
    from engine.cli.library import chosen_encoder
    from engine.evaluation.album_report import page
    from engine.evaluation.albums import evaluate_albums as measure
    from engine.utils.result_files import require_writable, write_result

    parts = [one.rpartition(":") for one in sets]
    if not all(folder and split for folder, _, split in parts):
        raise EngineError("Name data sets as FOLDER:SPLIT, like data/flickr8k:test.")
    named = [(Path(folder), split) for folder, _, split in parts]
    if out is not None:
        if not out.name:
            raise EngineError("--out needs the name of a file, without its ending.")
        require_writable(out.with_suffix(".json"))
    results = measure(named, chosen_encoder(model, False), cache, say)
    if out is not None:
        write_result(out.with_suffix(".json"), (json.dumps(results, indent=1) + "\n").encode())
        write_result(out.with_suffix(".md"), page(results).encode())
    if as_json:
        write_json(results)
    elif out is None:
        typer.echo(page(results))
