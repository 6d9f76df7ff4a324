"""Departments and portals ask any wallet"""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None
INBOX = sa.text("holder_id IS NOT NULL AND fetched_at IS NULL")


def upgrade() -> None:
    """Make the table of requests to wallets."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "presentation_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("department", sa.String(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=True),
        sa.Column("officer_id", sa.Uuid(), nullable=True),
        sa.Column("holder_id", sa.Uuid(), nullable=True),
        sa.Column("by_consent", sa.Boolean(), nullable=False),
        sa.Column("verifier", sa.String(), nullable=False),
        sa.Column("response_mode", sa.String(), nullable=False),
        sa.Column("nonce", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("terms_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("key_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("asked_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("fetched_at", moment, nullable=True),
        sa.Column("answered_at", moment, nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("result_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("code_hash", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_presentation_requests"),
    )
    op.create_index("ix_presentation_requests_expires_at", "presentation_requests", ["expires_at"])
    op.create_index("ix_presentation_requests_inbox", "presentation_requests", ["holder_id", "id"], postgresql_where=INBOX)


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("presentation_requests")
