"""`backup`: back up the data folder's store."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Json
from engine.cli.output import say, write_json
from engine.utils.progress import progress_bar


def backup(
    folder: Annotated[
        Path, typer.Argument(help="Empty folder, or the one of the last backup, to bring that up to date.")
    ],
    as_json: Json = False,
) -> None:
    """Back up galleries, photos and vectors while the page is running.

    One state of the database is copied, and the pictures that it names; a picture that the folder has is not copied
    again, and one on the same disk is linked. The manifest is written last: stopping at any moment leaves the last
    backup whole. Feature maps are left out: they are made again when they are needed.
    """
    from engine.storage.backup import back_up

    with progress_bar("pictures") as show:
        done = back_up(folder, show)
    if done.lost_pictures:
        say(
            f"{done.lost_pictures} photos have no picture file any more; their rows and vectors are in the backup, "
            "with the pictures that it had before."
        )
    if as_json:
        write_json(asdict(done))
        return
    typer.echo(
        f"{done.photos} photos and the database, {done.bytes / 1e6:.1f} MB in {done.files} files; "
        f"{done.new_files} files, {done.new_bytes / 1e6:.1f} MB, are new."
    )
