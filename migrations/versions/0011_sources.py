"""A photo that was indexed from a folder of this machine remembers where its original lies."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("images", sa.Column("source", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("images", "source")
