"""Requests to wallets that are still open, found by their end"""

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Index what is still open by when it is over."""
    op.create_index("ix_presentation_requests_open", "presentation_requests", ["expires_at"], postgresql_where=sa.text("outcome IS NULL"))


def downgrade() -> None:
    """Take the step back."""
    op.drop_index("ix_presentation_requests_open", "presentation_requests")
