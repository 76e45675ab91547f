"""Alembic's entry: the store hands over a connection at start, and from the command line we open one."""

from alembic import context

from engine.storage.database import connect, database_url, for_writing, prepare
from engine.storage.schema import Base
from engine.utils.data_dir import home


def run(connection: object) -> None:
    # SQLite cannot alter a column in place: changes are made in a copy of the table.
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with for_writing(connect(database_url(home()))).begin() as opened:
        prepare(opened)
        run(opened)
