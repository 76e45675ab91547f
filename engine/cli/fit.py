"""`fit`: fit exit modules to a model."""

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Data, Model, Random
from engine.cli.output import say
from engine.utils.errors import EngineError, ModelUnreadable


def fit(
    data: Annotated[Path | None, Data] = None,
    photos: Annotated[Path | None, typer.Option(help="Folder of photos without captions.")] = None,
    model: Annotated[str | None, Model] = None,
    random_weights: Annotated[bool, Random] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the exit weights.", show_default="beside the model, or in the data folder"),
    ] = None,
) -> None:
    """Fit exit modules to a model, from a captioned set or from photos without captions.

    A small first pass is put before them where it pays. What they give on photos that nothing was fitted on stands in
    fit-report.json and fit-report.html beside the exit weights. Exits that do not pay are not written.

    What the exits see of each photo is kept in a folder `training` beside the exit weights, so a fit that was stopped
    goes on from there.
    """
    if (data is None) == (photos is None):
        raise EngineError("Name either --data or --photos.")
    from engine.clip.factory import named
    from engine.exits.certificate import REPORT
    from engine.utils.result_files import require_writable

    name = named(model, random_weights)
    if photos is not None and name is None and out is None:
        raise EngineError("The shipped model has exits of its own; name another --model, or an --out folder.")
    if out is not None:
        require_writable(out / REPORT)
    from engine.exits.loading import load_encoder
    from engine.training.dataset import read_captions
    from engine.training.fit import Reporter, fit_exits, to_fit
    from engine.training.splits import folder_photos, split_captions, split_photos

    if photos is not None:
        splits = split_photos(folder_photos(photos))  # too few are refused before a model is loaded
        encoder = load_encoder(name, with_exits=False)
    elif data is not None:
        encoder = to_fit(name)
        if encoder.modules.last is not None:
            raise ModelUnreadable(
                f"The passes of {encoder.identity.model} were trained together; train-mini makes them."
            )
        splits = split_captions(read_captions(data))
    fit_exits(encoder, splits, out or encoder.folder, Reporter(say))
