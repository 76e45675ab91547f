"""The precision that a collection's images were encoded at is part of its model; of older ones it is not known."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("collections", sa.Column("precision", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("collections", "precision")
