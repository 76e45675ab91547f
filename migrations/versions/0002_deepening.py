"""Changes numbered, feature maps kept, guide texts remembered, queries counted."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for column in (
        sa.Column("guide_texts", sa.JSON(), nullable=True),
        sa.Column("guides_only", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("revision", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("queries", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("macs_queries", sa.BigInteger(), nullable=False, server_default="0"),
    ):
        op.add_column("collections", column)
    op.add_column("images", sa.Column("revision", sa.Integer(), nullable=False, server_default="0"))
    # What is there already has changed once, in the order in which it came.
    op.execute("UPDATE images SET revision = id")
    op.execute(
        "UPDATE collections SET revision = "
        "coalesce((SELECT max(id) FROM images WHERE images.collection_id = collections.id), 0)"
    )
    op.create_index("ix_images_collection_id_revision", "images", ["collection_id", "revision"])
    op.create_table(
        "feature_maps",
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("exit", sa.Integer(), nullable=False),
        sa.Column("file", sa.String(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("last_used", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("image_id"),
    )
    op.create_index("ix_feature_maps_last_used", "feature_maps", ["last_used"])


def downgrade() -> None:
    op.drop_table("feature_maps")
    op.drop_index("ix_images_collection_id_revision", "images")
    op.drop_column("images", "revision")
    for name in ("macs_queries", "queries", "revision", "guides_only", "guide_texts"):
        op.drop_column("collections", name)
