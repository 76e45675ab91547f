"""What pictures that were searched with cost stands apart from what queries spent on a collection's photos."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("collections", sa.Column("macs_pictures", sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.execute("UPDATE collections SET macs_queries = macs_queries + macs_pictures")
    op.drop_column("collections", "macs_pictures")
