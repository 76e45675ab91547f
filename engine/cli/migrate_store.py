"""`migrate-store`: move to another database."""

from dataclasses import asdict
from typing import Annotated

import typer

from engine.cli.options import Json
from engine.cli.output import say, write_json
from engine.utils.progress import progress_bar


def migrate_store(
    from_url: Annotated[str, typer.Argument(help="Database to move from, like sqlite:////folder/tgem.db.")],
    to_url: Annotated[str, typer.Argument(help="Empty database, like postgresql+psycopg://user@host/database.")],
    as_json: Json = False,
) -> None:
    """Move galleries, photos' rows and vectors to another database, and compare both afterwards.

    Stop the page and all commands that write first: what comes in meanwhile is in the old database alone.
    Pictures and feature maps are files of the data folder (TGEM_HOME): they stay, and are found from the new database
    too. The old database keeps its rows. Stopping half-way (Ctrl-C) keeps what was moved: run it again to go on.
    """
    from engine.storage.copy_database import copy_database

    with progress_bar("rows") as show:
        tables = copy_database(from_url, to_url, show)
    if as_json:
        write_json([asdict(table) for table in tables])
        return
    for table in tables:
        typer.echo(f"{table.table:13} {table.rows:9} rows, {table.new} moved now, sha256 {table.checksum[:16]}")
    say(
        "Both databases hold the same, as it was when this began. Set TGEM_DATABASE_URL to the new one; TGEM_HOME "
        "stays as it is."
    )
