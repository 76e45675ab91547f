"""Visitors of a public page, and when each came last."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "visitors",
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("owner"),
    )
    op.create_index("ix_collections_owner", "collections", ["owner"])


def downgrade() -> None:
    op.drop_index("ix_collections_owner", "collections")
    op.drop_table("visitors")
