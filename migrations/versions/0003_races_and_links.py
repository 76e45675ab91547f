"""Measured races, and the links of published galleries."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("collections", sa.Column("link", sa.String(), nullable=True))
    op.create_index("ix_collections_link", "collections", ["link"], unique=True)
    op.create_table(
        "races",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("collection_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("photos", sa.Integer(), nullable=False),
        sa.Column("budget", sa.Double(), nullable=False),
        sa.Column("full_per_second", sa.Double(), nullable=False),
        sa.Column("early_per_second", sa.Double(), nullable=False),
        sa.Column("macs_share", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["collection_id"], ["collections.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_races_collection_id", "races", ["collection_id"])


def downgrade() -> None:
    op.drop_table("races")
    op.drop_index("ix_collections_link", "collections")
    op.drop_column("collections", "link")
