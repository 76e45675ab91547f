"""When a photo was taken: the camera's own date and time, ISO 8601; not known of images that were there before."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("images", sa.Column("taken_at", sa.String(), nullable=True))
    op.create_index("ix_images_collection_id_taken_at", "images", ["collection_id", "taken_at"])


def downgrade() -> None:
    op.drop_index("ix_images_collection_id_taken_at", "images")
    op.drop_column("images", "taken_at")
