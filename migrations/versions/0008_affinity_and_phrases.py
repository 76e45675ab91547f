"""How well the text bank fits an encoding stands beside it; guide texts are phrases, and take no others' place."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("encodings", sa.Column("affinity", sa.Double(), nullable=False, server_default="0"))
    op.execute("ALTER TABLE collections RENAME COLUMN guide_texts TO phrases")
    op.drop_column("collections", "guides_only")


def downgrade() -> None:
    op.add_column("collections", sa.Column("guides_only", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute("ALTER TABLE collections RENAME COLUMN phrases TO guide_texts")
    op.drop_column("encodings", "affinity")
