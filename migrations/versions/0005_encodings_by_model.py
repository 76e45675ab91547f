"""An encoding's collection and model stand beside its vector, for searches in the database."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("encodings", sa.Column("collection_id", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("encodings", sa.Column("model", sa.String(), nullable=False, server_default=""))
    op.execute(
        "UPDATE encodings SET (collection_id, model) = (SELECT collections.id, "
        "substr(collections.weights_hash, 1, 8) || substr(collections.exits_hash, 1, 8) "
        "FROM images JOIN collections ON collections.id = images.collection_id WHERE images.id = encodings.image_id)"
    )
    op.create_index("ix_encodings_collection_id", "encodings", ["collection_id"])
    if op.get_context().dialect.name == "postgresql":
        # Beside the rest of its row, as far as a page has room: comparing all vectors reads them in one go.
        op.execute("ALTER TABLE encodings ALTER vector SET STORAGE MAIN")


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER TABLE encodings ALTER vector SET STORAGE EXTERNAL")
    op.drop_index("ix_encodings_collection_id", "encodings")
    op.drop_column("encodings", "model")
    op.drop_column("encodings", "collection_id")
