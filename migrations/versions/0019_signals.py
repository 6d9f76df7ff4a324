"""Shared signals"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None
JSON = postgresql.JSONB(astext_type=sa.Text())


def upgrade() -> None:
    """Make room for streams, for what they have to say, and for whom they leave out."""
    op.create_table(
        "signal_streams",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("endpoint_url", sa.String(), nullable=True),
        sa.Column("authorization_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("events_requested", JSON, nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cursor_transaction", sa.BigInteger(), nullable=False),
        sa.Column("cursor_sequence", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signal_streams")),
    )
    op.create_index(op.f("ix_signal_streams_client_id"), "signal_streams", ["client_id"])
    op.create_table(
        "signal_exclusions",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("stream_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "stream_id", name=op.f("pk_signal_exclusions")),
    )
    op.create_index("ix_signal_exclusions_stream_id", "signal_exclusions", ["stream_id"])
    op.create_table(
        "signal_tokens",
        sa.Column("stream_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("claims", JSON, nullable=False),
        sa.Column("refused", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("stream_id", "id", name=op.f("pk_signal_tokens")),
    )
    op.create_index(op.f("ix_signal_tokens_made_at"), "signal_tokens", ["made_at"])


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("signal_tokens")
    op.drop_table("signal_exclusions")
    op.drop_table("signal_streams")
