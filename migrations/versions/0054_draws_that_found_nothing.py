"""Draws on authority that found nothing are watched like those that found something: who tries numbers leaves a trace"""

import sqlalchemy as sa
from alembic import op

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Say of each watched draw whether it found nothing."""
    op.add_column("watched_draws", sa.Column("missed", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Take the step back; what found nothing is forgotten."""
    op.execute("DELETE FROM watched_draws WHERE missed")
    op.drop_column("watched_draws", "missed")
