"""Devices, scanning to sign in, places by address"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.add_column("signin_sessions", sa.Column("began_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False))
    op.add_column("signin_sessions", sa.Column("about_sealed", sa.LargeBinary(), nullable=True))
    op.add_column("signin_sessions", sa.Column("mark_hash", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    """Take the step back."""
    op.drop_column("signin_sessions", "mark_hash")
    op.drop_column("signin_sessions", "about_sealed")
    op.drop_column("signin_sessions", "began_at")
