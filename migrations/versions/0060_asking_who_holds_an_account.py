"""The service itself asks a wallet who holds an account: for whom, and in which session"""

import sqlalchemy as sa
from alembic import op

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "identity_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("tries", sa.SmallInteger(), nullable=False),
        sa.Column("finished_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_identity_requests"),
    )
    op.create_index("ix_identity_requests_session_id", "identity_requests", ["session_id"])
    op.create_index("ix_identity_requests_expires_at", "identity_requests", ["expires_at"])


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("identity_requests")
