"""Requests that a holder opened, until they are answered"""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep what was asked, sealed, and whether it was answered."""
    op.create_table(
        "asked_requests",
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("request_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True)),
        sa.Column("outcome", sa.String()),
        sa.Column("goal_sealed", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("holder_id", "id", name="pk_asked_requests"),
    )
    op.create_index("uq_asked_requests_hash", "asked_requests", ["holder_id", "request_hash"], unique=True)
    op.create_index("ix_asked_requests_expires_at", "asked_requests", ["expires_at"])


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("asked_requests")
