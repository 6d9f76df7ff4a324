"""Lasting grants by client"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let the grants of one client be counted and ended without reading those of all."""
    op.create_index("ix_refresh_families_client", "refresh_families", ["client_id", "rotated_at"], postgresql_where=sa.text("ended_at IS NULL"))


def downgrade() -> None:
    """Take the index away."""
    op.drop_index("ix_refresh_families_client", table_name="refresh_families")
