"""Collections, images and encodings."""

import sqlalchemy as sa
from alembic import op

from engine.storage.vector_column import vector_type

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "collections",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("model", sa.String(), nullable=True),
        sa.Column("weights_hash", sa.String(), nullable=True),
        sa.Column("exits_hash", sa.String(), nullable=True),
        sa.Column("exits", sa.Integer(), nullable=True),
        sa.Column("full_macs", sa.BigInteger(), nullable=True),
        sa.Column("budget", sa.Double(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("indexed_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "images",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("collection_id", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("added_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["collection_id"], ["collections.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("collection_id", "content_hash"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_images_collection_id_id", "images", ["collection_id", "id"])
    op.create_index("ix_images_content_hash", "images", ["content_hash"])
    op.create_table(
        "encodings",
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("vector", vector_type(), nullable=False),
        sa.Column("exit", sa.Integer(), nullable=False),
        sa.Column("gates", sa.LargeBinary(), nullable=False),
        sa.Column("phrases", sa.JSON(), nullable=False),
        sa.Column("macs_index", sa.BigInteger(), nullable=False),
        sa.Column("macs_query", sa.BigInteger(), nullable=False),
        sa.Column("milliseconds", sa.Double(), nullable=False),
        sa.Column("budget", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("image_id"),
    )


def downgrade() -> None:
    op.drop_table("encodings")
    op.drop_table("images")
    op.drop_table("collections")
