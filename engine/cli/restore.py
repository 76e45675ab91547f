"""`restore`: make a backup the data folder's store."""

import time
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.output import say
from engine.utils.progress import progress_bar


def restore(
    folder: Annotated[Path, typer.Argument(help="Folder of a backup.")],
    replace: Annotated[bool, typer.Option("--replace", help="Put a store that is there aside.")] = False,
) -> None:
    """Make a backup the store of the data folder (TGEM_HOME), with the page stopped.

    Every file is compared with its hash in the manifest before anything is changed. Stopping at any moment leaves the
    old store, or one that says that the restore is to be finished: run the same command again.
    """
    from engine.storage.restore import restore as put_back

    with progress_bar("files") as show:
        done = put_back(folder, replace, show)
    if done.backup is None:
        typer.echo("A restore that had been stopped is finished; run the command again to restore another backup.")
    else:
        made = time.strftime("%Y-%m-%d %H:%M", time.localtime(done.backup.made_at))
        typer.echo(f"The backup of {made} is restored: {len(done.backup.files)} files.")
    if done.aside is not None:
        say(f"The store that was there is in {done.aside}; delete it when you do not need it any more.")
